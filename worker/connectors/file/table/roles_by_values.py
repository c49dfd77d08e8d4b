"""Finds the columns of days and money by what they hold, where their names do not say it, or there are none. Pure.

Names are believed before values. Of several readings that the values allow, none is taken: what the balances prove
counts most, then the only column of amounts, then columns of money out and in that no row fills both.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import permutations

from worker.connectors.file.statement.account_numbers import is_iban
from worker.connectors.file.statement.currencies import currency_sign
from worker.connectors.file.table.column_samples import ColumnSample, follows, leads_to, moved_by_sides

_VALUE_DAY = re.compile(r"\b(?:valut|valeur|valor|value|valör|wert|rente|ränte)")
Roles = dict[str, str]
_LEAST_ROWS, _MOST_COLUMNS = 2, 24
_NEAR_DAYS = ("date", "value_date")
_AMOUNTS = frozenset({"amount", "debit", "credit", "balance"})


def roles_by_values(samples: Sequence[ColumnSample], named: Mapping[str, str]) -> Roles | None:
    """Return the roles of the columns that hold days and money, and of those that can be told beside them.

    Args:
        named: Roles that names tell already, by column.

    Returns: The roles of `named` and those found; None where the values leave a choice, or there is no statement.
    """
    if not samples or len(samples[0].texts) < _LEAST_ROWS:
        return None
    named = _believed(samples, named)
    days = _days(samples, named)
    taken = {*named, *(days or {})}
    money = _money([one for one in samples if one.name not in taken], samples, named)
    if days is None or money is None:
        return None
    rest = [one for one in samples if one.name not in taken and one.name not in money]
    return {**named, **days, **money, **_others(rest, set(named.values()))}


def _believed(samples: Sequence[ColumnSample], named: Mapping[str, str]) -> Roles:
    """Return the roles that the values of their columns do not contradict: names mean other things elsewhere."""
    believed = dict(named)
    for one in samples:
        role = named.get(one.name)
        if one.filled and ((role in _NEAR_DAYS and not one.holds_days) or (role in _AMOUNTS and one.amounts is None)):
            del believed[one.name]
    return believed


def _days(samples: Sequence[ColumnSample], named: Mapping[str, str]) -> Roles | None:
    """Return the day of booking and a second one: in the order of the rows before out of it, then by its place."""
    if "date" in named.values():
        return {}
    found = [one for one in samples if one.name not in named and one.is_full and one.holds_days]
    moving = [one for one in found if one.varies] or found
    ordered = sorted(moving, key=lambda one: (_VALUE_DAY.search(one.name) is not None, not one.is_in_order))
    if not ordered:
        return {} if "value_date" in named.values() else None
    second = [] if "value_date" in named.values() else [one for one in ordered[1:] if one.texts != ordered[0].texts]
    return dict(zip((one.name for one in (ordered[0], *second)), _NEAR_DAYS, strict=False))


def _money(free: Sequence[ColumnSample], samples: Sequence[ColumnSample], named: Mapping[str, str]) -> Roles | None:
    """Return the columns of money; None where there is none, or several may be meant."""
    by_role = {role: one for one in samples if (role := named.get(one.name)) is not None}
    if "amount" in by_role or {"debit", "credit"} <= by_role.keys():
        return {}
    candidates = [one for one in _distinct(free) if one.amounts is not None]
    if len(candidates) > _MOST_COLUMNS:
        return None
    balances = [by_role["balance"]] if "balance" in by_role else candidates
    pairs = list(_sides(candidates, by_role))
    proven = _with_balance(candidates, balances) or list(_sides_with_balance(pairs, balances))
    if proven:
        return proven[0] if len(proven) == 1 else None
    if {"debit", "credit"} & by_role.keys():
        return _told_sides(pairs, named)
    return _only_amount(candidates, pairs) or _told_sides(pairs, named)


def _only_amount(columns: Sequence[ColumnSample], pairs: Sequence[tuple[ColumnSample, ColumnSample]]) -> Roles | None:
    """Return the only column of amounts: the balance before them, and money out and in apart, count as none."""
    full = [one for one in columns if one.is_full and one.holds_decimals and one.varies]
    nets = {moved_by_sides(*pair) for pair in pairs}
    led = [one for one in full if any(_leads(other, one) for other in full)]
    found = [one for one in full if one.amounts in nets] or led or full
    return {found[0].name: "amount"} if len(found) == 1 else None


def _told_sides(pairs: Sequence[tuple[ColumnSample, ColumnSample]], named: Mapping[str, str]) -> Roles | None:
    """Return columns of money out and in, where a name or the signs tell which is which."""
    told = [pair for pair in pairs if pair[0].name in named or pair[1].name in named or _is_signed(*pair)]
    return {told[0][0].name: "debit", told[0][1].name: "credit"} if len(told) == 1 else None


def _distinct(columns: Sequence[ColumnSample]) -> list[ColumnSample]:
    """Return the columns without those that repeat one before them, also in another way of writing."""
    first: dict[tuple[object, ...], ColumnSample] = {}
    for one in columns:
        first.setdefault(one.amounts or one.texts, one)
    return list(first.values())


def _with_balance(columns: Sequence[ColumnSample], balances: Sequence[ColumnSample]) -> list[Roles]:
    """Return each column of amounts with the balances that follow from it; the signed ones, where there are any."""
    found = [
        (one, balance)
        for one in columns
        for balance in balances
        if one is not balance and one.is_full and one.varies and balance.is_full and _proves(balance, one.amounts or ())
    ]
    signed = [pair for pair in found if min(pair[0].amounts or (0,)) < 0]
    return [{one.name: "amount", balance.name: "balance"} for one, balance in signed or found]


def _sides_with_balance(
    pairs: Sequence[tuple[ColumnSample, ColumnSample]], balances: Sequence[ColumnSample]
) -> Iterator[Roles]:
    for out, into in pairs:
        moved = moved_by_sides(out, into) or ()
        for balance in balances:
            if balance not in (out, into) and balance.is_full and _proves(balance, moved):
                yield {out.name: "debit", into.name: "credit", balance.name: "balance"}


def _sides(
    columns: Sequence[ColumnSample], by_role: Mapping[str, ColumnSample]
) -> Iterator[tuple[ColumnSample, ColumnSample]]:
    """Yield columns of money out and in, as ordered pairs: every row fills one of them, and none fills both."""
    out, into = by_role.get("debit"), by_role.get("credit")
    firsts, seconds = ([out] if out else columns), ([into] if into else columns)
    ordered = permutations(columns, 2) if not (out or into) else ((a, b) for a in firsts for b in seconds if a is not b)
    for first, second in ordered:
        paid, received = first.amounts or (), second.amounts or ()
        each_fills_one = all(bool(out) != bool(into) for out, into in zip(paid, received, strict=False))
        if any(paid) and any(received) and each_fills_one:
            yield first, second


def _is_signed(out: ColumnSample, into: ColumnSample) -> bool:
    """Return whether the signs tell money out from money in."""
    return all(one <= 0 for one in out.amounts or ()) and all(one >= 0 for one in into.amounts or ())


def _proves(balance: ColumnSample, amounts: Sequence[Decimal]) -> bool:
    return balance.amounts is not None and bool(amounts) and follows(balance.amounts, amounts)


def _leads(balance: ColumnSample, one: ColumnSample) -> bool:
    """Return whether a column holds the balance before the amounts of another one."""
    return balance is not one and leads_to(balance.amounts or (), one.amounts or ())


def _others(rest: Sequence[ColumnSample], known: set[str]) -> Roles:
    """Return the columns of a currency and of accounts, where only one column can be meant."""
    currencies = [one for one in _distinct(rest) if one.is_full and all(map(currency_sign, one.filled))]
    ibans = [one for one in _distinct(rest) if one.filled and all(is_iban(_bare(text)) for text in one.filled)]
    own = [one for one in ibans if one.is_full and not one.varies]
    others = [one for one in ibans if one.varies]
    found = (("currency", currencies), ("account", own), ("counterparty_account", others))
    return {columns[0].name: role for role, columns in found if len(columns) == 1 and role not in known}


def _bare(text: str) -> str:
    return text.replace(" ", "").upper()
