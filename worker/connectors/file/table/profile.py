"""The model of a profile, which describes the column layout of one bank's tables."""

import re
from collections.abc import Container, Mapping
from datetime import date as date_type
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from worker.connectors.base import AccountType
from worker.connectors.file.statement.amounts import Mark
from worker.connectors.file.statement.dates import Order
from worker.connectors.file.statement.encodings import known_encoding
from worker.connectors.file.statement.text_cache import remembering
from worker.connectors.file.table.profile_patterns import is_date_format, is_quick
from worker.connectors.file.table.signs import Direction, DirectionFrom
from worker.money import is_currency


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


@remembering(8192)
def plain(name: str) -> str:
    """Return a column's name as names are compared: no quotes, no case, single spaces."""
    return " ".join(name.replace("\ufeff", "").strip().strip('"').split()).casefold()


class ExpectedRow(BaseModel):
    """One row that a profile's sample must give."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: date_type | None = Field(default=None, description="Day of booking, else of purchase.")
    amount: Decimal = Field(description="Signed amount.")
    currency: str | None = Field(default=None, description="ISO code.")
    text: str | None = Field(default=None, description="Description; default: not compared.")
    pending: bool = Field(default=False, description="Whether it is not booked yet.")


class Profile(BaseModel):
    """One layout. Column names are compared without case; `description` may name several columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=60, pattern=r"^[a-z0-9][a-z0-9-]*$", description="Name for --profile.")
    title: str = Field(default="", description="The bank and the kind of account, for people.")
    institution: str | None = Field(default=None, description="Name of the bank.")
    match: Names = Field(default=(), description="Header cells that recognise the layout; default: all columns used.")
    optional: Names = Field(default=(), description="Columns that some files of the layout lack.")
    exact: bool = Field(default=False, description="Recognise it only when the header holds nothing else.")
    columns: Names = Field(default=(), description="For files without a header: a name for each column in order.")
    header_lines: int = Field(
        default=0, ge=0, le=10, description="Beside columns: lines above the rows, whatever they say."
    )
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="Default: found out.")
    encoding: str | None = Field(default=None, description="Default: found out.")
    decimal: Mark | None = Field(default=None, description="Decimal mark; default: decided over the whole file.")
    date_format: str | None = Field(default=None, description="strptime pattern; default: decided over the whole file.")
    date_order: Order | None = Field(default=None, description="dmy, mdy or ymd; default: decided over the whole file.")
    date: str = Field(description="Column of the booking date.")
    value_date: str | None = Field(default=None, description="Column of the value date.")
    transaction_date: str | None = Field(default=None, description="Column of the day of purchase.")
    amount: str | None = Field(default=None, description="Column of the amount.")
    debit: str | None = Field(default=None, description="Column of money out.")
    credit: str | None = Field(default=None, description="Column of money in.")
    type: str | None = Field(default=None, description="Column that says which way the amount goes.")
    debit_words: Names = Field(default=(), description="What it says for money out.")
    credit_words: Names = Field(default=(), description="What it says for money in.")
    conversion_words: Names = Field(
        default=(), description="What it says for a conversion of one's own money: amount goes out, amount_in comes in."
    )
    amounts: Mapping[str, str] = Field(
        default_factory=dict, description="Columns of amounts, one for each currency; the filled one counts."
    )
    amount_in: str | None = Field(default=None, description="Column of the amount of money in, where it is another.")
    currency_in_column: str | None = Field(default=None, description="Column of its currency.")
    fee: str | None = Field(default=None, description="Column of a fee that is taken in addition.")
    refund: str | None = Field(default=None, description="Column of an amount that was given back since.")
    detail: str | None = Field(
        default=None, description="Column of part amounts: lines with nothing else detail the booking above them."
    )
    sign: Literal["as_is", "flipped"] = Field(default="as_is", description="flipped: positive means money out (cards).")
    direction_from: DirectionFrom | None = Field(
        default=None,
        description="What a minus means beside a word or column of direction: word (nothing more), reversal, sign.",
    )
    balance: str | None = Field(default=None, description="Column of the balance after each row.")
    currency: str | None = Field(default=None, description="ISO code of all rows.")
    currency_column: str | None = Field(default=None, description="Column of the currency.")
    description: Names = Field(default=(), description="Columns of the text, joined by a space.")
    counterparty: str | None = Field(default=None, description="Column of the other side's name.")
    counterparty_account: str | None = Field(default=None, description="Column of the other side's IBAN or number.")
    account: str | None = Field(default=None, description="Column of the account's own IBAN, number or name.")
    account_type: AccountType = Field(default=AccountType.UNKNOWN, description="checking, savings, credit, …")
    reference: str | None = Field(default=None, description="Column of a reference.")
    id: str | None = Field(default=None, description="Column of an id that never changes.")
    pending: Mapping[str, Names] = Field(default_factory=dict, description="Column = values of rows not booked yet.")
    booked: Mapping[str, Names] = Field(
        default_factory=dict, description="Column = values of booked rows; a value that is named nowhere is rejected."
    )
    transfers: Mapping[str, Names] = Field(
        default_factory=dict, description="Column = values of rows that move one's own money."
    )
    aliases: Mapping[str, Names] = Field(
        default_factory=dict, description="Column = its names in other languages or versions of the export."
    )
    sample: str | None = Field(default=None, description="An invented file of this layout, for the test of it.")
    expected: tuple[ExpectedRow, ...] = Field(default=(), description="The rows of the sample.")
    skip: Mapping[str, Names] = Field(default_factory=dict, description="Column = values of rows that are no bookings.")
    footer: Names = Field(
        default=(), max_length=20, description="Patterns of lines that are no bookings (totals, remarks)."
    )

    @model_validator(mode="after")
    def _has_amount(self) -> Self:
        ways = (self.amount is not None, self.debit is not None or self.credit is not None, bool(self.amounts))
        if sum(ways) != 1:
            raise ValueError("state either amount, or debit and credit, or amounts by currency")
        odd = next((code for code in self.amounts.values() if not is_currency(code.upper())), None)
        if odd is not None:
            raise ValueError(f"currency '{odd}' of amounts is no ISO 4217 code")
        if self.type is not None and not (self.debit_words or self.credit_words):
            raise ValueError("type needs debit_words or credit_words")
        if self.currency is not None and not is_currency(self.currency.upper()):
            raise ValueError(f"currency '{self.currency}' is no ISO 4217 code; a column is named by currency_column")
        if self.encoding is not None:
            known_encoding(self.encoding)
        return self

    @field_validator("date_format")
    @classmethod
    def _is_date_format(cls, value: str | None) -> str | None:
        if value is not None and not is_date_format(value):
            raise ValueError("date_format names a part of a date twice")
        return value

    @field_validator("footer")
    @classmethod
    def _is_found_quickly(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError):
                raise ValueError(f"footer pattern '{pattern[:200]}' is not a regular expression") from None
            if not is_quick(pattern):
                raise ValueError(
                    f"footer pattern '{pattern[:200]}' may have no brackets ( ), at most 200 letters and at most one of"
                    " * + ? {, or two behind a leading ^: give several patterns"
                )
        return value

    @model_validator(mode="after")
    def _converts_between_columns(self) -> Self:
        if self.conversion_words and not (self.amount_in and self.debit_words and self.credit_words):
            raise ValueError("conversion_words needs amount_in, debit_words and credit_words")
        return self

    @cached_property
    def used(self) -> tuple[str, ...]:
        """Every column the profile reads, as names are compared."""
        single = (
            *(self.date, self.value_date, self.transaction_date, self.amount, self.debit, self.credit, self.type),
            *(self.fee, self.refund, self.balance, self.currency_column, self.counterparty, self.counterparty_account),
            *(self.amount_in, self.currency_in_column, self.detail, *self.amounts, *self.transfers),
            *(self.account, self.reference, self.id, *self.description, *self.pending, *self.skip, *self.booked),
        )
        return tuple(dict.fromkeys(plain(name) for name in single if name))

    @cached_property
    def directions(self) -> Mapping[str, Direction]:
        """The words of the direction column, without case, with what they say."""
        outs: dict[str, Direction] = {word.casefold(): "out" for word in self.debit_words}
        return outs | {word.casefold(): "in" for word in self.credit_words}

    def direction_of(self, word: str) -> Direction | None:
        """Return what a word of the direction column says; None for any other word."""
        return self.directions.get(word.casefold()) or self.directions.get(word.casefold().rstrip("."))

    def with_direction(self, column: str, outs: tuple[str, ...], ins: tuple[str, ...]) -> "Profile":
        """Return the profile with a column whose words say which way the money went."""
        stated = {name: getattr(self, name) for name in Profile.model_fields}
        return Profile(**{**stated, "type": column, "debit_words": outs, "credit_words": ins})

    def missing(self, header: Container[str]) -> tuple[str, ...]:
        """Return the columns that the profile reads, are not optional, and that a header does not hold."""
        return tuple(name for name in self._needed if name not in header)

    @cached_property
    def least_cells(self) -> int:
        """Cells that a header has at least."""
        return len(self._needed)

    @cached_property
    def _needed(self) -> tuple[str, ...]:
        optional = {plain(name) for name in self.optional}
        return tuple(dict.fromkeys(name for name in (*self.recognised_by, *self.used) if name not in optional))

    @cached_property
    def canonical(self) -> dict[str, str]:
        """Other names of columns, as names are compared, with the name the profile uses."""
        return {plain(other): plain(name) for name, others in self.aliases.items() for other in others}

    @cached_property
    def recognised_by(self) -> tuple[str, ...]:
        """The header cells that must all be there."""
        return tuple(plain(name) for name in self.match) or self.used
