"""Finds the line of a key in a TOML text, which the standard library's reader does not tell."""

import re
from collections.abc import Sequence

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=\s*(.*)$"""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")

Loc = tuple[str | int, ...]


class KeyLines:
    """The lines of a TOML text by key. Keys inside inline tables have the line of the table.

    The elements of a list that is written over several lines have lines of their own.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[Loc, int] = {}
        self._counts: dict[Loc, int] = {}
        self._elements: dict[Loc, int] = {}
        self._read(text)

    def of(self, loc: Sequence[str | int]) -> int:
        """Return the line of a key, or of the nearest thing around it that has one."""
        found: Loc = ()
        line = 1
        for part in loc:
            for candidate in ((*found, part), (*found, part, 0)):
                if candidate in self._lines:
                    found, line = candidate, self._lines[candidate]
                    break
        return line

    def _read(self, text: str) -> None:
        table: Loc = ()
        until = ""
        inside: Loc | None = None
        for number, line in enumerate(text.splitlines(), start=1):
            if until:
                until = "" if until in line else until
                continue
            if inside is not None:
                inside = self._element(inside, line.strip(), number)
                continue
            header = _HEADER.match(line)
            key = None if header else _KEY.match(line)
            if header:
                table = self._open(self._parts(header[2]), number, many=header[1] == "[[")
            elif key:
                path = (*table, *self._parts(key[1]))
                self._note(path, number)
                until = next((mark for mark in ('"""', "'''") if key[2].count(mark) == 1), "")
                inside = path if key[2].partition("#")[0].strip() == "[" else None

    def _element(self, of: Loc, line: str, number: int) -> Loc | None:
        """Note an element of a list that begins on a line; return None where the list ends."""
        if line.startswith("]"):
            return None
        if line.startswith(("{", '"', "'")):
            at = self._elements.get(of, -1) + 1
            self._elements[of] = at
            self._note((*of, at), number)
        return of

    def _open(self, parts: Loc, number: int, *, many: bool) -> Loc:
        """Return the path of a table; one below a list belongs to its last element."""
        path: Loc = ()
        for at, part in enumerate(parts):
            path = (*path, part)
            if many and at == len(parts) - 1:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        self._note(path, number)
        return path

    def _note(self, path: Loc, number: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)

    @staticmethod
    def _parts(key: str) -> Loc:
        return tuple(part.strip("\"'") for part in _PART.findall(key))
