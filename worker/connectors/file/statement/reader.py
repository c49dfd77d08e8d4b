"""What the readers of all formats do alike: they count the pieces of a file and tell what they did not read."""

from worker.connectors.base import Account
from worker.connectors.file.statement.accounting import Part, PartCounter
from worker.connectors.file.statement.events import BadRow, Event, Remark, Row

MAX_RAW_CHARACTERS = 500


class StatementReader:
    """Base of the reader of one file.

    Attributes:
        parts: What the pieces of the file were used as.
    """

    def __init__(self, unit: str) -> None:
        """Args: unit: what a piece is: `line`, `row`, `tag`, `field` or `element`."""
        self.parts = PartCounter(unit)

    def counted(self, event: Event, pieces: int) -> Event:
        """Count the pieces of a booking, whether it was read or not, and return its event."""
        self.parts.use(Part.TRANSACTION if isinstance(event, Row) else Part.REJECTED, pieces)
        return event

    def reject(self, line: int, reason: str, raw: str, *, account: Account | None = None, pieces: int = 0) -> BadRow:
        """Count pieces as rejected and return the event; no pieces: they are counted as something else."""
        self.parts.use(Part.REJECTED, pieces)
        return bad_row(line, reason, raw, account)

    def remark(self, line: int, reason: str, raw: str = "", *, pieces: int = 0) -> Remark:
        """Count pieces as not used and return the event; no pieces: they are counted as something else."""
        self.parts.use(Part.REMARK, pieces)
        return Remark(line=line, reason=reason, raw=raw[:MAX_RAW_CHARACTERS])


def bad_row(line: int, reason: str, raw: str, account: Account | None) -> BadRow:
    """Return the event of a booking that cannot be read, its text shortened."""
    owner = account.external_id if account is not None else None
    return BadRow(line=line, reason=reason, raw=raw[:MAX_RAW_CHARACTERS], account=owner)
