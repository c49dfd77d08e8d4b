"""Accounting of a file: how many pieces it has, and what each of them was used as."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Part(StrEnum):
    """What a piece of a file (a line, a tag, a field, an element) was used as."""

    TRANSACTION = "transaction"
    REJECTED = "rejected"
    LEFT_OUT = "left_out"
    BALANCE = "balance"
    HEADER = "header"
    REMARK = "remark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounted:
    """The use of every piece of a file.

    Attributes:
        unit: What a piece is: `line`, `tag`, `field` or `element`.
        total: All pieces of the file, counted where they are split.
        parts: Pieces per use; together they are `total`.
    """

    unit: str
    total: int
    parts: Mapping[Part, int]

    @property
    def unaccounted(self) -> int:
        """Pieces that no reader used for anything: 0 unless a reader is wrong."""
        return self.total - sum(self.parts.values())


@dataclass(slots=True)
class PartCounter:
    """Counts the pieces of one file while it is read."""

    unit: str
    total: int = 0
    parts: Counter[Part] = field(default_factory=Counter)

    def use(self, part: Part, pieces: int = 1) -> None:
        """Count pieces as used."""
        self.parts[part] += pieces

    def event(self) -> Accounted:
        """Return the closing event of the file."""
        return Accounted(unit=self.unit, total=self.total, parts=dict(self.parts))
