"""The command as a user runs it."""

import contextlib
import io
import os
import subprocess
import sys
from unittest import mock


def serkit(*arguments, **options):
    """Run the command as a user does: in a process of its own."""
    command = [sys.executable, "-m", "serkit", *arguments]
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )


def in_process(*arguments, env=None, cwd="."):
    """Run the command in this process, which spares it the imports.

    What only a process of its own shows is left out: signals, memory, descriptors of C libraries.
    """
    from serkit.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    command = ["serkit", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", command),
        mock.patch.object(main, "keep_libraries_quiet"),
        mock.patch.dict(os.environ, env or {}),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main.main()
        except SystemExit as error:
            code = error.code or 0
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


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
