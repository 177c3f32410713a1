"""The command line: one thin command per verb."""

from __future__ import annotations

import sys


def run() -> None:
    """The `serkit` command; Ctrl-C while it is being imported ends it without a trace as well."""
    try:
        from serkit.cli.main import main
    except KeyboardInterrupt:
        sys.stderr.write("serkit: interrupted\n")
        sys.exit(130)
    main()
