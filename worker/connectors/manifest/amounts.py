"""Compiles the amounts of a manifest into readers: in major units, negative for money out. Pure."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.fields import Reader, Record, Scene, conditions, place
from worker.connectors.manifest.values import AmountValue
from worker.money import MAX_DECIMALS, MAX_DIGITS, MINOR_UNITS, is_money

_NUMBER = re.compile(rf"^[+-]?0*\d{{1,{MAX_DIGITS}}}(\.\d{{1,{MAX_DECIMALS}}})?$")
"""A number written plainly, no longer than money is."""

_GROUPED = re.compile(r"^[+-]?\d{1,3}(,\d{2,3})*,\d{3}(\.\d+)?$", re.ASCII)
"""A number whose thousands are separated, as in India too: 12,34,567.89."""

AmountReader = Callable[[Record, Scene, str | None], Decimal | None]


def amount_reader(value: AmountValue) -> AmountReader:
    """Return a reader of money in major units, negative for money out; None where there is no number."""
    if value == AmountValue(path=value.path or "-") and "." not in (value.path or "."):
        return _amount_of_key(value.path or "")
    number = _number(value)
    scale = _scale(value)
    sign = _sign(value)

    def read(record: Record, scene: Scene, currency: str | None) -> Decimal | None:
        found = number(record, scene)
        return None if found is None else sign(scale(found, record, scene, currency), record, scene)

    if value.unit == "major" and sign is _keep_sign:
        return lambda record, scene, _currency: number(record, scene)
    return read


def _amount_of_key(key: str) -> AmountReader:
    """Read a signed amount in major units that lies in the record itself, as many do."""

    def read(record: Record, _scene: Scene, _currency: str | None) -> Decimal | None:
        return _decimal(record.get(key), key, ".")

    return read


def _number(value: AmountValue) -> Callable[[Record, Scene], Decimal | None]:
    mark = value.decimal_mark
    if value.path is not None:
        path, read = value.path, place(value.path)
        return lambda record, scene: _decimal(read(record, scene), path, mark)
    if value.first:
        return _first_number([(place(path), path) for path in value.first], mark)
    sides = [(place(path), path, way) for path, way in ((value.debit, -1), (value.credit, 1)) if path]

    def from_columns(record: Record, scene: Scene) -> Decimal | None:
        found = [(number, way) for read, path, way in sides if (number := _decimal(read(record, scene), path, mark))]
        if len(found) > 1:
            raise InvalidDataError("money out and money in are both filled")
        return abs(found[0][0]) * found[0][1] if found else None

    return from_columns


def _first_number(places: Sequence[tuple[Reader, str]], mark: str) -> Callable[[Record, Scene], Decimal | None]:
    def first(record: Record, scene: Scene) -> Decimal | None:
        found = (_decimal(read(record, scene), path, mark) for read, path in places)
        return next((number for number in found if number is not None), None)

    return first


def _decimal(found: object, path: str, mark: str) -> Decimal | None:
    if isinstance(found, str):
        is_plain = mark == "." and _NUMBER.match(found)
        return Decimal(found) if is_plain else _marked_decimal(found.strip(), path, mark)
    if found is None:
        return None
    if isinstance(found, int | Decimal) and not isinstance(found, bool) and is_money(number := Decimal(found)):
        return number
    raise InvalidDataError(f"{path} is no number")


def _marked_decimal(text: str, path: str, mark: str) -> Decimal | None:
    """Read a number with a comma for decimals or thousands, or with blanks around it.

    A sign that separates neither thousands nor decimals is an error: `12,50` must not become 1250.
    """
    if not text:
        return None
    if mark == ",":
        text = text.translate(_EXCHANGED)
    if _GROUPED.match(text):
        text = text.replace(",", "")
    if not _NUMBER.match(text):
        raise InvalidDataError(f"{path} is no number")
    return Decimal(text)


_EXCHANGED = str.maketrans(".,", ",.")


_MOST_DECIMALS = 12

Scale = Callable[[Decimal, Record, Scene, str | None], Decimal]


def _stated_scale(path: str) -> Scale:
    """Return the scale that each record states for itself."""
    read = place(path)

    def by_record(number: Decimal, record: Record, scene: Scene, _currency: str | None) -> Decimal:
        decimals = _decimal(read(record, scene), path, ".")
        if decimals is None or decimals != decimals.to_integral_value() or abs(decimals) > _MOST_DECIMALS:
            raise InvalidDataError(f"{path} is no number of decimals")
        return _whole(number).scaleb(-int(decimals))

    return by_record


def _scale(value: AmountValue) -> Scale:
    if value.unit == "major":
        return lambda number, _record, _scene, _currency: number
    if value.decimals is not None:
        places = -value.decimals
        return lambda number, _record, _scene, _currency: _whole(number).scaleb(places)
    if value.decimals_at is not None:
        return _stated_scale(value.decimals_at)

    def by_currency(number: Decimal, _record: Record, _scene: Scene, currency: str | None) -> Decimal:
        decimals = MINOR_UNITS.get(currency or "")
        if decimals is None:
            raise InvalidDataError("minor units of a currency that is not known")
        return _whole(number).scaleb(-decimals)

    return by_currency


def _whole(number: Decimal) -> Decimal:
    if number != number.to_integral_value():
        raise InvalidDataError("minor units are whole numbers")
    return number


def _keep_sign(number: Decimal, _record: Record, _scene: Scene) -> Decimal:
    return number


def _sign(value: AmountValue) -> Callable[[Decimal, Record, Scene], Decimal]:
    if value.out_when:
        is_out, is_in = conditions(value.out_when), conditions(value.in_when)

        def directed(number: Decimal, record: Record, scene: Scene) -> Decimal:
            out = is_out(record, scene)
            if out == is_in(record, scene):
                raise InvalidDataError("whether money went out or came in is not known")
            return -abs(number) if out else abs(number)

        return directed
    if value.flipped_when:
        flipped, turned = conditions(value.flipped_when), value.sign == "flipped"
        return lambda number, record, scene: -number if flipped(record, scene) != turned else number
    return _keep_sign if value.sign == "as_is" else lambda number, _record, _scene: -number
