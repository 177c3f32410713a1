"""The command-line interface: one thin module per command."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the `serkit` command; Ctrl-C during its import ends it without a traceback too."""
    try:
        from serkit.cli.main import main
    except KeyboardInterrupt:
        sys.stderr.write("serkit: interrupted\n")
        sys.exit(130)
    main()
