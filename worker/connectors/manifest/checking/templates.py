"""Writes the entries and accounts of a ledger as the samples of a manifest write theirs.

What a sample means is stated beside it by a person, so that a manifest that reads it wrongly is noticed: signs, units
and manners of writing are taken from the sample and its stated meaning, not from the manifest's fields.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from worker.connectors.manifest.checking.leaves import (
    Zones,
    day_as_moment,
    get,
    places_of,
    put,
    steps_of,
    write_time,
    written_numbers,
)
from worker.connectors.manifest.places import paths_of
from worker.connectors.manifest.records import AROUND
from worker.connectors.manifest.requests import TransactionFields
from worker.connectors.manifest.values import AmountValue, DayValue, StatedAccount, StatedRow, TextValue
from worker.connectors.testing import Entry, LedgerAccount
from worker.money import MINOR_UNITS

_DAYS = ("booking_on", "booking_at", "value_on", "transaction_on", "transaction_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTemplate:
    """A sample's record with its stated meaning."""

    record: dict[str, Any]
    stated: StatedRow

    @property
    def is_out(self) -> bool:
        """Whether money left the account."""
        return (self.stated.amount or Decimal(0)) < 0


def choose(templates: Sequence[RowTemplate], entry: Entry) -> RowTemplate | None:
    """Return the sample that is most like an entry: of the same state, and of the same direction if there is one."""
    fitting = [one for one in templates if not one.stated.ignored and one.stated.pending == entry.pending]
    same_way = [one for one in fitting if one.is_out == (entry.amount < 0)]
    return next(iter(same_way or fitting), None)


def write_row(template: RowTemplate, entry: Entry, fields: TransactionFields, zones: Zones, currency: str) -> Any:  # noqa: ANN401 - a sample's JSON
    """Write an entry as the sample writes its own. currency: of the sample, where it states none."""
    record, stated = copy.deepcopy(template.record), template.stated
    _write_text(record, fields.id, stated.id, entry.id or None)
    _write_text(record, fields.account, None, entry.account_id)
    _write_amount(record, template, entry, fields, stated.currency or currency)
    _write_currency(record, fields.currency, stated.currency or currency, entry.currency)
    _write_text(record, fields.description, stated.text, entry.description)
    _write_text(record, fields.counterparty, stated.counterparty, entry.counterparty)
    _write_text(record, fields.pending_id, stated.pending_id, entry.replaces)
    for name in _DAYS:
        _write_day(record, name, fields, template, entry, zones)
    return record


def write_gone(sample: Any, entry: Entry, fields: TransactionFields) -> Any:  # noqa: ANN401 - a sample's JSON
    """Write an entry as a sample writes one that is gone."""
    record = copy.deepcopy(sample)
    _write_text(record, fields.id, None, entry.id)
    _write_text(record, fields.account, None, entry.account_id)
    return record


def _is_of_record(path: str) -> bool:
    return not path.startswith("@") or path.startswith(f"{AROUND}.")


def _write_text(record: Any, value: Any, stated: str | None, text: str | None) -> None:  # noqa: ANN401 - JSON and any text value
    """Put a text where the sample holds the stated one, else where the manifest reads it.

    Where there is none, every place that the manifest reads holds nothing: it falls back on no other one.
    """
    is_a_place = value is not None and not getattr(value, "choices", None)
    paths = [steps_of(path) for path in paths_of(value) if _is_of_record(path)] if is_a_place else []
    found = places_of(record, stated) if stated is not None else []
    if text is None:
        found += [steps for steps in paths if get(record, steps) is not None]
    for steps in found or paths[:1]:
        put(record, steps, text)


def _write_amount(
    record: Any,  # noqa: ANN401 - a sample's JSON
    template: RowTemplate,
    entry: Entry,
    fields: TransactionFields,
    currency: str,
) -> None:
    stated = template.stated.amount or Decimal(0)
    decimals, new_decimals = _rescale(record, fields.amount, currency, entry.currency)
    for part in (stated, *_without_fee(record, stated, fields, decimals)):
        for number in written_numbers(template.record, part, decimals):
            put(record, number.steps, number.write(entry.amount, new_decimals))
    for path in fields.fee.numbers if fields.fee else ():
        held = get(record, steps_of(path))
        if held is not None:
            put(record, steps_of(path), "0" if isinstance(held, str) else 0)


def _without_fee(record: Any, stated: Decimal, fields: TransactionFields, decimals: int) -> list[Decimal]:  # noqa: ANN401 - a sample's JSON
    """Return what a row is without its fee, whichever way the provider writes fees."""
    held = [get(record, steps_of(path)) for path in fields.fee.numbers] if fields.fee else []
    unit = -decimals if fields.fee and fields.fee.unit == "minor" else 0
    fees = [Decimal(str(one)).scaleb(unit) for one in held if one is not None]
    return [stated + way * fee for fee in fees for way in (-1, 1) if fee]


def _rescale(record: Any, value: AmountValue | None, currency: str, new_currency: str) -> tuple[int, int]:  # noqa: ANN401 - a sample's JSON
    """Return the decimals of a sample's minor units and of those to be written, which the record may state itself."""
    if value is not None and value.decimals is not None:
        return value.decimals, value.decimals
    old, new = MINOR_UNITS.get(currency, 2), MINOR_UNITS[new_currency]
    if value is not None and value.decimals_at is not None:
        scale = steps_of(value.decimals_at)
        held = get(record, scale)
        old = int(held) if str(held).lstrip("-").isdigit() else old
        put(record, scale, str(new) if isinstance(held, str) else new)
    return old, new


def _write_currency(record: Any, declared: TextValue | None, stated: str, currency: str) -> None:  # noqa: ANN401 - a sample's JSON
    """Put a currency where the sample holds its own, as text or as the number that stands for it."""
    for steps in places_of(record, stated):
        sample = str(get(record, steps))
        put(record, steps, currency.lower() if sample.islower() else currency)
    if declared is not None and declared.choices and declared.path is not None:
        coded = next((code for code, name in declared.choices.items() if name == currency), None)
        held = get(record, steps_of(declared.path))
        if coded is not None and held is not None:
            put(record, steps_of(declared.path), int(coded) if isinstance(held, int) else coded)


def _write_day(
    record: Any,  # noqa: ANN401 - a sample's JSON
    name: str,
    fields: TransactionFields,
    template: RowTemplate,
    entry: Entry,
    zones: Zones,
) -> None:
    value = getattr(fields, name)
    sample = get(template.record, steps_of(value.path)) if value is not None else None
    if sample in (None, ""):
        return
    booked = name.startswith(("booking", "value"))
    at = (entry.booked_at if booked else None) or entry.made_at
    if isinstance(value, DayValue) and value.format == "moment":
        written = day_as_moment(sample, at.astimezone(zones.bank).date())
    else:
        pattern = value.format if "%" in value.format else ""
        written = write_time(sample, at, template.stated.on if booked else None, zones, pattern)
    put(record, steps_of(value.path), written)


def write_account(
    sample: tuple[dict[str, Any], StatedAccount],
    account: LedgerAccount,
    balance: Decimal,
    booked: AmountValue | None,
    declared: TextValue | None,
) -> dict[str, Any]:
    """Write an account as the sample writes its own. declared: where the manifest reads its currency."""
    record, stated = sample
    written = copy.deepcopy(record)
    currency = stated.currency or account.currency
    write_balance(written, stated, currency, account.currency, balance, booked)
    _write_currency(written, declared, currency, account.currency)
    for stated_text, text in ((stated.id, account.id), (stated.name, account.name)):
        # An account that has no name but its currency keeps it.
        for steps in places_of(record, stated_text) if stated_text and stated_text != currency else ():
            put(written, steps, text)
    return written


def write_balance(
    written: Any,  # noqa: ANN401 - a sample's JSON
    stated: StatedAccount,
    currency: str,
    new_currency: str,
    balance: Decimal,
    booked: AmountValue | None,
) -> None:
    """Put a balance where the sample holds the stated one."""
    if stated.balance is None:
        return
    old, new = _rescale(written, booked, currency, new_currency)
    for number in written_numbers(written, stated.balance, old):
        put(written, number.steps, number.write(balance, new))
