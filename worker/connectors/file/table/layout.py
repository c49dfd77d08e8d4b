"""What is known of the columns of a table: a profile laid over one file. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from worker.connectors.file.table.lines_outside_rows import LinesAbove
from worker.connectors.file.table.profile import Profile, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A profile laid over one file.

    Attributes:
        header_line: 0 where the file has no header.
        confidence: 0 to 1.
        above: What the lines above the header say.
        notes: What a person should know of how it was found.
    """

    profile: Profile
    delimiter: str
    header_line: int
    header: tuple[str, ...]
    confidence: float
    above: LinesAbove = field(default_factory=LinesAbove)
    guessed: bool = False
    notes: tuple[str, ...] = ()
    _columns: dict[str, int | None] = field(default_factory=dict, compare=False, repr=False)

    def column(self, name: str | None) -> int | None:
        """Return the index of a column; None where the file has none of that name."""
        if name is None:
            return None
        if name not in self._columns:
            wanted = plain(name)
            self._columns[name] = self.header.index(wanted) if wanted in self.header else None
        return self._columns[name]

    def places(self, *names: str | None) -> tuple[int, ...]:
        """Return the indexes of those columns that the file has."""
        return tuple(at for name in names if (at := self.column(name)) is not None)


def numbered(cells: Iterable[str]) -> tuple[str, ...]:
    """Return header cells as they are compared: a repeated name with `#2` behind it, an empty one as `column 3`."""
    seen: dict[str, int] = {}
    names = []
    for place, cell in enumerate(cells, start=1):
        name = plain(cell) or f"column {place}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(names)
