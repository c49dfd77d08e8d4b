"""Reads account, period and balances of a CAMT statement. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from worker.connectors.base import Account, BalanceKind, Window
from worker.connectors.file.camt.entries import entry_amount, stated
from worker.connectors.file.camt.xml_stream import Node
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask, find_iban
from worker.connectors.file.statement.currencies import account_currency
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import StatedBalance

_MOST_FIGURES = 18
_KINDS = {
    "OPBD": ("opening", BalanceKind.BOOKED),
    "PRCD": ("opening", BalanceKind.BOOKED),
    "CLBD": ("closing", BalanceKind.BOOKED),
    "CLAV": ("available", BalanceKind.AVAILABLE),
    "ITBD": ("interim", BalanceKind.BOOKED),
    "ITAV": ("available", BalanceKind.AVAILABLE),
}


@dataclass(slots=True)
class CamtBalances:
    """The balances of one statement by what they are: `opening`, `closing`, `interim` or `available`."""

    _held: dict[str, StatedBalance] = field(default_factory=dict)

    def keep(self, node: Node) -> str | None:
        """Keep a balance; return what is wrong with it, or None."""
        code = node.get("Tp/CdOrPrtry/Cd", "Tp/Cd")
        name, kind = _KINDS.get(code or "", (None, BalanceKind.BOOKED))
        if name is None or (code == "PRCD" and name in self._held):
            return None
        try:
            balance = _stated_balance(node, kind)
        except ValueError as error:
            return f"a balance ({code}) cannot be read: {error}"
        held = self._held.get(name)
        self._held[name] = balance
        if held is not None and held.amount != balance.amount and kind is BalanceKind.BOOKED and name != "opening":
            return f"two different balances of one kind ({code})"
        return None

    @property
    def opening(self) -> StatedBalance | None:
        """The booked balance before the first entry."""
        return self._held.get("opening")

    @property
    def closing(self) -> StatedBalance | None:
        """The booked balance behind the last entry, of the day or so far."""
        return self._held.get("closing") or self._held.get("interim")

    @property
    def available(self) -> StatedBalance | None:
        """What may be spent."""
        return self._held.get("available")

    @property
    def currency(self) -> str | None:
        """The currency that a balance states."""
        return next((one.currency for one in self._held.values() if one.currency), None)

    @property
    def prove_entries(self) -> bool:
        """Whether the balances say what the entries must sum to."""
        return {"opening", "closing"} <= self._held.keys()


def _stated_balance(node: Node, kind: BalanceKind) -> StatedBalance:
    """Read a balance. Raises: ValueError saying what is missing or wrong."""
    amount, currency = entry_amount(node)
    stated_on = stated(node.find("Dt"))
    if stated_on is None:
        raise ValueError("has no date")
    on = stated_on.date() if isinstance(stated_on, datetime) else stated_on
    at = stated_on if isinstance(stated_on, datetime) else None
    return StatedBalance(amount=amount, on=on, at=at, currency=currency, kind=kind)


def stated_account(node: Node, stated_currency: str | None) -> Account:
    """Return the account of an `Acct` element.

    Args:
        stated_currency: Used where the element's own currency is missing, as it may be, or not understood.

    Raises: StatementError when it has no number, or a currency that nobody understands.
    """
    number = node.get("Id/IBAN", "Id/Othr/Id", "Id/PrtryAcct/Id", "Id/BBAN", "Id/UPIC")
    if number is None:
        raise StatementError("the statement names no account", line=node.line)
    bank = node.get("Svcr/FinInstnId/BICFI", "Svcr/FinInstnId/BIC", "Svcr/FinInstnId/ClrSysMmbId/MmbId") or ""
    institution = node.get("Svcr/FinInstnId/Nm", "Svcr/FinInstnId/NmAndAdr/Nm")
    anchor = account_anchor(find_iban(number) or number, bank)
    currency = account_currency(node.get("Ccy"), stated_currency, node.line)
    mask = account_mask(number)
    return Account(
        external_id=account_key(anchor, currency),
        name=node.get("Nm") or " ".join(part for part in (institution or bank, mask) if part) or "account",
        anchor=anchor,
        mask=mask,
        currency=currency,
        institution_name=institution,
    )


def stated_period(node: Node) -> Window | None:
    """Return the days of a `FrToDt` element; None where it does not state both ends."""
    start, end = (stated_day(node.get(f"{edge}DtTm", f"{edge}Dt")) for edge in ("Fr", "To"))
    return Window(from_on=start, to_on=end) if start and end and start <= end else None


def stated_moments(node: Node) -> tuple[datetime, datetime] | None:
    """Return the moments of a `FrToDt` element in UTC; None where it does not state both with their offset."""
    try:
        start, end = (datetime.fromisoformat(node.get(f"{edge}DtTm") or "") for edge in ("Fr", "To"))
        return (start.astimezone(UTC), end.astimezone(UTC)) if start.tzinfo and end.tzinfo and start < end else None
    except (ValueError, OverflowError):  # the first and the last day of the calendar have no moment in other zones
        return None


def stated_number(text: str) -> int | None:
    """Return a number of figures alone; None for anything else, and for one that is longer than any count is."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_FIGURES else None


def stated_day(text: str | None) -> date | None:
    """Return the day a text begins with; None for anything else."""
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
