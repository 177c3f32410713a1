"""Record a command in a terminal as an asciicast (version 2), which asciinema plays.

python tools/record_terminal.py docs/listen.cast serkit listen --input examples/note.ogg
"""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import struct
import sys
import termios
import time
from pathlib import Path

COLUMNS, ROWS = 80, 20


def main() -> None:
    """Run the command in a pseudo-terminal and write what it shows, with times."""
    path, command = Path(sys.argv[1]), sys.argv[2:]
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": " ".join(command)}
    lines = [json.dumps(head)]
    start = time.monotonic()
    child, terminal = pty.fork()
    if not child:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execvp(command[0], command)  # noqa: S606
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        try:
            shown = os.read(terminal, 1 << 16)
        except OSError:  # Linux says so at the end
            break
        if not shown:
            break
        text = decoder.decode(shown)
        lines.append(json.dumps([round(time.monotonic() - start, 2), "o", text]))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(f"{path}: {len(lines) - 1} events, {lines[-1].split(',')[0][1:]} s, exit {status}")


if __name__ == "__main__":
    main()
