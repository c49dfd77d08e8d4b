"""Corrects, by what the columns of a table hold, what their names say or do not say. Pure."""

import re
from collections.abc import Sequence
from decimal import Decimal

from worker.connectors.file.statement.currencies import currency_sign
from worker.connectors.file.table.column_names import guess_profile, named_roles
from worker.connectors.file.table.column_samples import ColumnSample, column_samples, follows, moved_by_sides
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.profile import Profile, plain
from worker.connectors.file.table.state_words import (
    BOOKED_WORDS,
    IN_WORDS,
    OUT_WORDS,
    PENDING_WORDS,
    SPENDING_WORDS,
    VOID_WORDS,
)
from worker.connectors.file.table.unknown_columns import ColumnValues, is_varied_text, meaning, unused_columns

_DIRECTIONS = frozenset({*IN_WORDS, *OUT_WORDS})
_LIKE_ACCOUNT = re.compile(r"(?=(?:\D*\d){8})[A-Z]{0,2}\d[A-Z\d /.*-]+")


def told_by_values(profile: Profile, header: tuple[str, ...], rows: Sequence[Record]) -> dict[str, str]:
    """Return the roles of columns whose values contradict their names, or say what the names do not.

    A column of amounts that is empty gives way to columns of money out and in. A name such as `Valuta`, which means a
    day in one language and a currency in others, means what its values are. Balances are known by following from the
    amounts, and every column of texts belongs to the description.
    """
    samples = {one.name: one for one in column_samples(header, rows)}
    unused = [samples[name] for name in unused_columns(header, profile)]
    return {
        **_texts(profile, unused),
        **_balance(profile, samples, unused),
        **_day(profile, samples, unused),
        **_other_side(profile, samples),
        **_sides(profile, header, rows),
        **_currency(profile, header, samples),
        **_status(profile, samples),
    }


def _sides(profile: Profile, header: tuple[str, ...], rows: Sequence[Record]) -> dict[str, str]:
    """Leave a column of amounts without any unread where columns of money out and in hold them."""
    if profile.amount is None:
        return {}
    amount = plain(profile.amount)
    filled = {name: any(at < len(row.cells) and row.cells[at] for row in rows) for at, name in enumerate(header)}
    by_role = guess_profile(header, {amount: "ignore"})
    sides = [plain(name) for name in (by_role[0].debit, by_role[0].credit) if name] if by_role is not None else []
    return {amount: "ignore"} if not filled[amount] and any(filled[name] for name in sides) else {}


def _currency(profile: Profile, header: Sequence[str], samples: dict[str, ColumnSample]) -> dict[str, str]:
    """Return a column whose name means a day of value elsewhere, and which holds currencies."""
    if profile.currency_column is not None:
        return {}
    named = (samples[name] for name in header if named_roles([name]).get(name) == "value_date")
    found = [one for one in named if one.filled and all(map(currency_sign, one.filled))]
    return {found[0].name: "currency"} if found else {}


def _status(profile: Profile, samples: dict[str, ColumnSample]) -> dict[str, str]:
    """Leave a column of states unread that says one thing of all rows which nobody knows: it is asked about then."""
    status = next(map(plain, profile.booked), "")
    known = {*PENDING_WORDS, *VOID_WORDS, *BOOKED_WORDS}
    one = samples.get(status)
    unknown = one is not None and one.is_full and not one.varies and plain(one.filled[0]) not in known
    return {status: "ignore"} if unknown else {}


def _day(profile: Profile, samples: dict[str, ColumnSample], unused: Sequence[ColumnSample]) -> dict[str, str]:
    """Return the day of booking where names tell only the value date, and one more column holds days."""
    value = samples.get(plain(profile.date))
    if value is None or named_roles([value.name]).get(value.name) != "value_date":
        return {}
    days = [one for one in unused if one.is_full and one.holds_days]
    return {days[0].name: "date", value.name: "value_date"} if len(days) == 1 else {}


def _balance(profile: Profile, samples: dict[str, ColumnSample], unused: Sequence[ColumnSample]) -> dict[str, str]:
    """Return the one unread column that follows from the amounts."""
    moved = _moved(profile, samples)
    if profile.balance is not None or moved is None:
        return {}
    found = [one for one in unused if one.is_full and one.amounts is not None and follows(one.amounts, moved)]
    return {found[0].name: "balance"} if len(found) == 1 else {}


def _moved(profile: Profile, samples: dict[str, ColumnSample]) -> Sequence[Decimal] | None:
    """Return what each row moves; None where an amount cannot be read."""
    if profile.amount is not None:
        amount = samples.get(plain(profile.amount))
        return amount.amounts if amount is not None else None
    out, into = samples.get(plain(profile.debit or "")), samples.get(plain(profile.credit or ""))
    return moved_by_sides(out, into) if out is not None and into is not None else None


def _other_side(profile: Profile, samples: dict[str, ColumnSample]) -> dict[str, str]:
    """Return a column that is called after the other side and holds its account numbers, and one with its name."""
    side = samples.get(plain(profile.counterparty or ""))
    if side is None or not side.filled or not all(map(_LIKE_ACCOUNT.fullmatch, side.filled)):
        return {}
    named = (name for name in samples if name != side.name and named_roles([name]).get(name) == "counterparty")
    return {side.name: "counterparty_account", **dict.fromkeys(list(named)[:1], "counterparty")}


def _texts(profile: Profile, unused: Sequence[ColumnSample]) -> dict[str, str]:
    """Return the unread columns of texts that differ from row to row."""
    told: dict[str, str] = {}
    for one in unused:
        values = ColumnValues(one.name)
        for text in one.texts:
            values.see(text)
        said = {plain(text).rstrip(".") for text in one.filled}
        directs = said <= _DIRECTIONS or not said.isdisjoint(SPENDING_WORDS)
        if not directs and meaning(values, profile) in {None, "description"} and is_varied_text(values):
            told[one.name] = "description"
    return told
