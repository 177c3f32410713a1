"""The offload server: recordings and streams of strangers in, emotion out.

Needs the extra `server`; `serkit serve` starts it, and `docs/server.md` describes it.
"""
