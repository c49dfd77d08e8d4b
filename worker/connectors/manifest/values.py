"""The values a manifest can say: where something lies in an answer, and how its text becomes money, a day or a state.

A path is written with dots (`attributes.amount.value`); numbers count from 0, negative ones from the end. A path that
begins with `@` leaves the record: `@account.NAME` (kept of the account), `@parent.NAME` (kept of its parent),
`@answer.PATH` (the whole answer), `@config.NAME` (a config field), `@record.PATH` (the record around one of its parts).
"""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from worker.money import is_currency

_PATH = re.compile(r"^(@(account|parent|config|answer|record)\.)?[^\s.@]+(\.[^\s.]+)*$")
_DAY_FORMATS = ("day", "moment")
_MOMENT_FORMATS = ("moment", "unix_s", "unix_ms")


def _path(text: str) -> str:
    if not _PATH.match(text):
        raise ValueError(f"'{text}' is no path: names with dots between them, such as amount.value")
    return text


def _currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError(f"'{code}' is no ISO 4217 code in capitals")
    return code


def zone_name(name: str) -> str:
    """Return an IANA zone's name. Raises: ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"'{name}' is no IANA zone, such as Pacific/Auckland") from None
    return name


def _as_path(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    return {"path": value} if isinstance(value, str) else value


def pattern_or(names: tuple[str, ...], text: str) -> str:
    """Return a format that is one of these names, or a pattern of strptime. Raises: ValueError."""
    if text in names:
        return text
    if "%" not in text:
        raise ValueError(f"'{text}' is none of {', '.join(names)} and no pattern such as %d/%m/%Y")
    moment = datetime(2026, 1, 31, 1, 2, 3)  # noqa: DTZ001 - only to try the pattern
    try:
        datetime.strptime(moment.strftime(text), text)  # noqa: DTZ007 - same
    except ValueError:
        raise ValueError(f"'{text}' is no pattern of strptime") from None
    return text


Path = Annotated[str, AfterValidator(_path)]
Currency = Annotated[str, AfterValidator(_currency)]
ZoneName = Annotated[str, AfterValidator(zone_name)]
Plain = str | int | bool
Conditions = dict[Path, tuple[Plain, ...]]
"""Paths with the values they may have; all of them must hold."""


class ManifestPart(BaseModel):
    """A part of a manifest: nothing in it may be misspelt."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class TextValue(ManifestPart):
    """A text: from one place, from the first that holds something, from several joined, chosen, or always the same."""

    path: Path | None = Field(default=None, description="Where it lies.")
    first: tuple[Path, ...] = Field(default=(), description="The first of these places that holds text.")
    join: tuple[Path, ...] = Field(default=(), description="All of these places, with a blank between.")
    const: str | None = Field(default=None, description="Always this text.")
    choices: dict[str, str] = Field(default_factory=dict, description="With `path`: what each value becomes.")
    otherwise: str | None = Field(default=None, description="With `choices`: what any other value becomes.")
    hook: str | None = Field(default=None, description="Name of an installed Python function that is given the record.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = (self.path is not None, bool(self.first), bool(self.join), self.const is not None, bool(self.hook))
        if sum(sources) != 1:
            raise ValueError("say exactly one of path, first, join, const, hook")
        if (self.choices or self.otherwise) and self.path is None:
            raise ValueError("choices and otherwise need a path")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Every place it reads."""
        return (*((self.path,) if self.path else ()), *self.first, *self.join)


class AmountValue(ManifestPart):
    """Money: where the number lies, in which unit, and what its sign means."""

    path: Path | None = Field(default=None, description="Where the number lies.")
    first: tuple[Path, ...] = Field(default=(), description="Instead of `path`: the first place that holds a number.")
    debit: Path | None = Field(default=None, description="Instead of `path`: the number of money out.")
    credit: Path | None = Field(default=None, description="Instead of `path`: the number of money in.")
    unit: Literal["major", "minor"] = Field(
        default="major", description="`minor`: whole cents, with the decimals of the currency or of `decimals`."
    )
    decimals: int | None = Field(
        default=None, ge=0, le=8, description="`minor`: always so many, whatever the currency."
    )
    decimals_at: Path | None = Field(default=None, description="`minor`: where the record says how many.")
    decimal_mark: Literal[".", ","] = Field(default=".", description="In texts; the other one separates thousands.")
    sign: Literal["as_is", "flipped"] = Field(default="as_is", description="`flipped`: positive means money out.")
    flipped_when: Conditions = Field(default_factory=dict, description="Positive means money out where these hold.")
    out_when: Conditions = Field(
        default_factory=dict, description="The number has no sign: money out where these hold."
    )
    in_when: Conditions = Field(default_factory=dict, description="The number has no sign: money in where these hold.")

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        columns = self.debit is not None or self.credit is not None
        if sum((self.path is not None, bool(self.first), columns)) != 1:
            raise ValueError("say path, or first, or debit and credit")
        if bool(self.out_when) != bool(self.in_when):
            raise ValueError("out_when and in_when belong together, so that a third value is noticed")
        if self.out_when and (self.sign == "flipped" or self.flipped_when or columns):
            raise ValueError("out_when and in_when are for a number without a sign: leave out sign, debit and credit")
        if (self.decimals is not None or self.decimals_at) and self.unit != "minor":
            raise ValueError('decimals and decimals_at belong to unit = "minor"')
        if self.decimals is not None and self.decimals_at:
            raise ValueError("say decimals or decimals_at, not both")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Every place it reads."""
        sides = [*self.flipped_when, *self.out_when, *self.in_when]
        named = [value for one in (self.flipped_when, self.out_when, self.in_when) for value in one.values()]
        sides += [one for values in named for one in values if isinstance(one, str) and one.startswith("@")]
        return (*self.numbers, *sides, *((self.decimals_at,) if self.decimals_at else ()))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The places that may hold the number."""
        return tuple(place for place in (self.path, *self.first, self.debit, self.credit) if place)


class DayValue(ManifestPart):
    """A day as the bank states it, without a time."""

    path: Path = Field(description="Where it lies.")
    format: Annotated[str, AfterValidator(lambda text: pattern_or(_DAY_FORMATS, text))] = Field(
        default="day", description="`day` (2026-01-31), `moment` (the day as written before the T), or a pattern."
    )


class MomentValue(ManifestPart):
    """A moment; the importer takes the day from it in the bank's zone."""

    path: Path = Field(description="Where it lies.")
    format: Annotated[str, AfterValidator(lambda text: pattern_or(_MOMENT_FORMATS, text))] = Field(
        default="moment", description="`moment` (ISO 8601), `unix_s`, `unix_ms`, or a pattern."
    )
    zone: ZoneName | None = Field(default=None, description="Zone of a moment that is written without one.")


class StateValue(ManifestPart):
    """Whether a row is posted, pending, or no booking at all. A value that is named nowhere rejects the row."""

    path: Path = Field(description="Where it lies.")
    posted: tuple[Plain, ...] = Field(default=(), description="Values of posted rows.")
    pending: tuple[Plain, ...] = Field(default=(), description="Values of pending rows.")
    ignored: tuple[Plain, ...] = Field(default=(), description="Values of rows that moved no money: left out.")
    absent: Literal["posted", "pending", "ignored"] | None = Field(default=None, description="When there is no value.")
    otherwise: Literal["posted", "pending", "ignored"] | None = Field(default=None, description="Any other value.")

    @model_validator(mode="after")
    def _each_value_once(self) -> Self:
        named = [*self.posted, *self.pending, *self.ignored]
        twice = [str(value) for value in named if named.count(value) > 1]
        if twice:
            raise ValueError(f"{twice[0]} has two states")
        return self

    @property
    def can_be_pending(self) -> bool:
        """Whether a row can be pending."""
        return bool(self.pending) or "pending" in (self.absent, self.otherwise)


class AnchorValue(ManifestPart):
    """What of an account never changes."""

    kind: Literal["iban", "number", "hash", "id"] = Field(description="What it is.")
    path: Path = Field(description="Where it lies.")


Text = Annotated[TextValue, BeforeValidator(_as_path, json_schema_input_type=str | TextValue)]
Amount = Annotated[AmountValue, BeforeValidator(_as_path, json_schema_input_type=str | AmountValue)]
Day = Annotated[DayValue, BeforeValidator(_as_path, json_schema_input_type=str | DayValue)]
Moment = Annotated[MomentValue, BeforeValidator(_as_path, json_schema_input_type=str | MomentValue)]
State = StateValue | Literal["posted", "pending"]


class StatedRow(ManifestPart):
    """What a sample's record means, from the provider's words and a person's eyes, never from the manifest."""

    id: str | None = Field(default=None, description="Its id.")
    amount: Decimal | None = Field(default=None, description="Signed, in major units: `-12.50` is money out.")
    currency: str | None = Field(default=None, description="ISO 4217 code.")
    on: date | None = Field(default=None, description="Its day at the bank: of booking, or while pending of purchase.")
    text: str | None = Field(default=None, description="The description.")
    counterparty: str | None = Field(default=None, description="The other side.")
    kind: str | None = Field(default=None, description="purchase, fee, transfer, …")
    value_on: date | None = Field(default=None, description="Value date.")
    original_amount: Decimal | None = Field(default=None, description="Of a purchase abroad, signed as it is read.")
    balance_after: Decimal | None = Field(default=None, description="Balance after it, signed, in major units.")
    pending_id: str | None = Field(default=None, description="Id of the pending row that it replaces.")
    pending: bool = Field(default=False, description="Whether it is not posted yet.")
    ignored: bool = Field(default=False, description="It moved no money of this account, so it is left out.")
    gone: bool = Field(default=False, description="In a sample of `changes`: it is taken back; say its id.")

    @model_validator(mode="after")
    def _has_an_amount(self) -> Self:
        if self.gone and self.id is None:
            raise ValueError("a row that is gone needs its id")
        if self.amount is None and not (self.ignored or self.gone):
            raise ValueError('say amount, such as "-12.50", or ignored = true')
        return self


class StatedAccount(ManifestPart):
    """What a sample's account means."""

    id: str = Field(description="Its id.")
    name: str | None = Field(default=None, description="Its name.")
    currency: str | None = Field(default=None, description="ISO 4217 code.")
    balance: Decimal | None = Field(default=None, description="Balance, signed, in major units.")
    type: str | None = Field(default=None, description="checking, savings, credit, …")
    anchor: str | None = Field(default=None, description="What of it never changes: its IBAN, without blanks.")
    ignored: bool = Field(default=False, description="It is left out.")

    @model_validator(mode="after")
    def _balance_has_a_currency(self) -> Self:
        if self.balance is not None and self.currency is None:
            raise ValueError("a balance needs its currency beside it, or nobody knows how many decimals it has")
        return self
