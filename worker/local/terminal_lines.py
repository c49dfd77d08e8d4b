"""Prints the output of several processes on one terminal, in whole lines with the name of the process."""

import os
import sys
from typing import TextIO

_LONGEST_LINE_BYTES = 64 * 1024
_NAME_WIDTH = 11
_PALETTE = (36, 35, 33, 32, 34, 96, 95, 93, 92, 94)


class Terminal:
    """Prints lines with a prefix; coloured on a terminal unless NO_COLOR is set."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._coloured = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}

    def say(self, name: str, line: str) -> None:
        """Print one line of `name`. Raises: BrokenPipeError when the reader is gone."""
        prefix = f"{name:<{_NAME_WIDTH}} |"
        if self._coloured:
            colour = self._colours.setdefault(name, _PALETTE[len(self._colours) % len(_PALETTE)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self._stream.write(f"{prefix} {line}\n")
        self._stream.flush()


class LineBuffer:
    """Turns chunks of bytes into lines of text; a line without an end is cut at 64 KiB."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that this chunk completes. An empty chunk is the end and completes the last line."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) > _LONGEST_LINE_BYTES):
            whole.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", errors="replace").rstrip() for line in whole]
