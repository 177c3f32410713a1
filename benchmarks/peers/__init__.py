"""Wrappers of the systems that serkit is compared with."""
