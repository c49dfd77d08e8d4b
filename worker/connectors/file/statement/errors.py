"""Why a statement file is refused or doubted, and what a person may state about it."""

from dataclasses import dataclass
from typing import Any

from worker.connectors.errors import InvalidDataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One thing that a file does not say and a person has to state.

    Attributes:
        field: Key of the config that settles it: `positive_is`, `direction_from`, `date_order`, `decimal`, `columns`,
            `reports`.
        text: The question.
        choices: What may be answered.
        column: The column asked about, for `columns`.
    """

    field: str
    text: str
    choices: tuple[str, ...]
    column: str | None = None

    def as_report(self) -> dict[str, Any]:
        """Return the question as plain data, for the web app."""
        return {"field": self.field, "column": self.column, "text": self.text, "choices": list(self.choices)}


def about_column(column: str | None, text: str, *choices: str) -> Doubt:
    """Return the question what a column of a table holds."""
    return Doubt(field="columns", column=column, text=text, choices=choices)


class StatementError(InvalidDataError):
    """The file as a whole cannot be read; nothing of it is used.

    Attributes:
        line: Counted from 1; None where there is none.
        reason: The sentence alone.
        file: Its name, once it is known.
        doubts: What a person may state so that the file can be read.
    """

    def __init__(
        self, reason: str, *, line: int | None = None, file: str | None = None, doubts: tuple[Doubt, ...] = ()
    ) -> None:
        place = ", ".join(part for part in (file, f"line {line}" if line else None) if part)
        super().__init__(f"{place}: {reason}" if place else reason)
        self.line = line
        self.reason = reason
        self.file = file
        self.doubts = doubts

    def of(self, file: str) -> "StatementError":
        """Return the same refusal with the file's name."""
        return StatementError(self.reason, line=self.line, file=file, doubts=self.doubts)


class StatementUnbalancedError(InvalidDataError):
    """The balances of a statement do not agree with its rows; the rows are imported, the account stays in doubt."""

    code = "statement_unbalanced"


class StatementMissingError(InvalidDataError):
    """A notification lists payments that no statement books yet; they are imported once it is there."""

    code = "statement_missing"
