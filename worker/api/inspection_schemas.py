"""Response schemas of file inspections, which contain the report of `files inspect`."""

from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field


class FileQuestionOut(BaseModel):
    """One thing that a file does not say. The answer goes into the form field `field` of the next request."""

    field: str = Field(examples=["positive_is"])
    column: str | None = Field(description="The column asked about, where `field` is `columns`.")
    text: str = Field(examples=["Which way did positive amounts go?"])
    choices: list[str] = Field(examples=[["in", "out"]])


class RefusedFileOut(BaseModel):
    """A file that cannot be read as it is, and what may be stated so that it can."""

    file: str | None
    line: int | None
    reason: str
    questions: list[FileQuestionOut]


class AccountedOut(BaseModel):
    """How many pieces a file has and what each was used as; the parts add up to `total`."""

    unit: str = Field(description="`row`, `line`, `tag`, `field` or `element`.")
    total: int
    transaction: int
    rejected: int
    left_out: int
    balance: int
    header: int
    remark: int


class FileBalanceOut(BaseModel):
    """A balance as the file states it."""

    amount: Decimal
    currency: str | None
    on: date


class ImbalanceOut(BaseModel):
    """A statement whose balances and rows differ by `amount`."""

    on: date
    amount: Decimal
    reason: str


class FileAccountOut(BaseModel):
    """What a file says about one account."""

    id: str
    name: str
    mask: str | None
    type: str
    currency: str | None
    known_by: str | None = Field(description="`iban` or `hash`, where the account has a number.")
    statements: int
    first_on: date | None
    last_on: date | None
    rows: int
    pending: int
    rejected: int
    money_in: Decimal
    money_out: Decimal
    opening: FileBalanceOut | None
    closing: FileBalanceOut | None
    available: FileBalanceOut | None
    adds_up: str = Field(description="`proven`, `mismatch` or `unproven`.")
    off_by: Decimal | None
    imbalances: list[ImbalanceOut]
    covers: list[dict[str, date]] = Field(description="Days, `from` and `to`, that the statement holds completely.")
    ids: str


class RemarkOut(BaseModel):
    """Content that was not used, or is missing."""

    line: int
    reason: str
    text: str


class RejectedLineOut(BaseModel):
    """A line that looks like a booking and cannot be read."""

    line: int
    reason: str


class InspectedFileOut(BaseModel):
    """One file that can be read, and how it is read."""

    file: str
    format: str
    encoding: str
    profile: str | None
    confidence: float
    delimiter: str | None
    header_line: int | None
    date_order: str | None
    decimal: str | None
    columns: dict[str, Any] | None = Field(description="What is read from which column.")
    unused_columns: list[str] | None
    accounts: list[FileAccountOut]
    left_out: dict[str, int] = Field(description="Lines that are no bookings: reason to number.")
    warnings: list[str]
    accounted: AccountedOut | None
    remark_count: int
    remarks: list[RemarkOut] = Field(description="The first fifty.")
    rejected_count: int
    rejected: list[RejectedLineOut] = Field(description="The first fifty.")


class WaitingOut(BaseModel):
    """Entries of notifications (camt.054) that no statement here books; alone they are not imported."""

    account: str
    entries: int


class UnusedDetailsOut(BaseModel):
    """Entries of notifications (camt.054) whose payments replace no line of a statement, and why."""

    reason: str
    entries: int


class DuplicateFileOut(BaseModel):
    """A file whose content another file has too; it is read once."""

    file: str
    same_as: str


class InspectionOut(BaseModel):
    """What is understood of an upload: more than one file where it is an archive."""

    files: list[InspectedFileOut]
    refused: list[RefusedFileOut]
    duplicates: list[DuplicateFileOut]
    waiting: list[WaitingOut]
    unused_details: list[UnusedDetailsOut]
