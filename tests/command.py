"""The command as a user runs it."""

import subprocess
import sys


def serkit(*arguments, **options):
    """Run the command as a user does: in a process of its own."""
    command = [sys.executable, "-m", "serkit", *arguments]
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )


# The high-water mark of the process itself; getrusage would count what it was forked from.
_AND_ITS_PEAK = """
from serkit.cli.main import main
try:
    main()
finally:
    import sys
    lines = open("/proc/self/status").read().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")), file=sys.stderr)
"""


def peak_mb(*arguments, **options):
    """Run the command, which must succeed, and give its peak memory in MB."""
    command = [sys.executable, "-c", _AND_ITS_PEAK, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.splitlines()[-1]) * 1024 / 1e6
