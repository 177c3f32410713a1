"""The command as a user runs it."""

import subprocess
import sys


def serkit(*arguments, **options):
    """Run the command as a user does: in a process of its own."""
    command = [sys.executable, "-c", "from serkit.cli.main import main; main()", *arguments]
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )
