"""What is known of an account before its transactions are read. Plain data."""

from dataclasses import dataclass
from datetime import date, time
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

DateBasis: TypeAlias = Literal["transaction", "booking", "value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContext:
    """What is known of an account before its transactions are read.

    Attributes:
        zone: The zone in which the bank's moments become days.
        today: Today in that zone.
        currency: The account's, else the user's, for transactions that name none.
        trusted: The ids of this account are identities.
        namespace: The provider session of session ids, empty otherwise.
        date_basis: Which of the bank's days is the day of the expense, where the bank states it.
        sign: -1 where the bank states the account with inverted signs.
        days_at: The time of day (UTC) of all moments of the account, where the bank writes days as moments.
        pending_hidden: Pending rows have no expense; they are read again when this changes.
    """

    zone: ZoneInfo
    today: date
    currency: str
    trusted: bool
    namespace: str = ""
    date_basis: DateBasis = "transaction"
    sign: int = 1
    days_at: time | None = None
    pending_hidden: bool = False

    @property
    def fingerprint_salt(self) -> str:
        """What a line depends on besides the bank; when it changes, every row is read again."""
        days_at = "" if self.days_at is None else f"|{self.days_at}"
        return f"{self.zone.key}|{self.currency}|{self.date_basis}|{self.sign}{days_at}"
