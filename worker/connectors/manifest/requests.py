"""What a manifest asks the provider, and where the facts lie in the answers."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from worker.connectors.base import AccountType, Scope, TransactionKind
from worker.connectors.manifest.login import Texts
from worker.connectors.manifest.paging_kinds import Paging
from worker.connectors.manifest.values import (
    Amount,
    AnchorValue,
    Conditions,
    Day,
    ManifestPart,
    Moment,
    Path,
    Plain,
    State,
    StateValue,
    Text,
    ZoneName,
    pattern_or,
)

Edge = Literal["inclusive", "exclusive"]
Parameters = dict[str, Plain | tuple[Plain, ...]]


_MOMENTS = ("moment", "moment_ms", "unix_s", "unix_ms")
_WINDOW_FORMATS = ("day", *_MOMENTS)


class DayWindow(ManifestPart):
    """How `{from}` and `{to}` are written, and which of them belong to the window."""

    format: Annotated[str, AfterValidator(lambda text: pattern_or(_WINDOW_FORMATS, text))] = Field(
        default="day",
        description="`day` (2026-01-31), `moment` (…Z, whole seconds), `moment_ms`, `unix_s`, `unix_ms`, or a pattern.",
    )
    from_edge: Edge = Field(default="inclusive", alias="from", description="Whether `{from}` belongs to the window.")
    to_edge: Edge = Field(default="inclusive", alias="to", description="Whether `{to}` belongs to the window.")
    zone: ZoneName | None = Field(default=None, description="Zone whose days are meant; default: the bank's.")

    @model_validator(mode="after")
    def _has_days(self) -> Self:
        if self.zone is not None and self.format in _MOMENTS:
            raise ValueError("zone says whose days are written: a moment is the same in every zone, leave it out")
        return self


class ManifestRequest(ManifestPart):
    """One question to the provider."""

    name: str = Field(default="", description="Label for limits, samples and messages; default: the section's name.")
    method: Literal["GET", "POST"] = Field(default="GET", description="HTTP method.")
    path: str = Field(description="Path below base_url, or an address on a declared host; may name `{values}`.")
    params: Parameters = Field(default_factory=dict, description="Parameters of the address; may name `{values}`.")
    headers: Texts = Field(default_factory=dict, description="Headers; may name `{values}`.")
    json_body: dict[str, Any] | None = Field(default=None, alias="json", description="JSON body; may name `{values}`.")
    form: Texts | None = Field(default=None, description="Form body; may name `{values}`.")


class ListRequest(ManifestRequest):
    """A question that is answered with records."""

    records: str = Field(default="", description="Path of the list; empty: the answer is the list; `*`: every one of.")
    single: bool = Field(default=False, description="The place holds one record instead of a list.")
    paging: Paging | None = Field(default=None, description="How the list goes on.")
    where: Conditions = Field(default_factory=dict, description="Only records for which these hold.")
    keep: dict[str, Path] = Field(default_factory=dict, description="NAME = path: `{account.NAME}` for later requests.")


class AccountFields(ManifestPart):
    """Where an account's facts lie."""

    id: Text = Field(description="Its id.")
    name: Text = Field(description="What people call it.")
    type: Text | None = Field(default=None, description=f"One of {', '.join(AccountType)}: use choices.")
    currency: Text | None = Field(default=None, description="ISO 4217 code, of any case.")
    mask: Text | None = Field(default=None, description="Its number; only the last four characters are kept.")
    anchor: AnchorValue | None = Field(default=None, description="What of it never changes.")
    institution: Text | None = Field(default=None, description="Name of the bank.")
    booked: Amount | None = Field(default=None, description="Balance of posted rows.")
    available: Amount | None = Field(default=None, description="Balance with holds and credit lines.")
    balance_at: Moment | None = Field(default=None, description="When the balance was so; default: now.")
    opened_on: Day | None = Field(default=None, description="Its first day, where none before it may be asked for.")


class AccountsRequest(ListRequest):
    """A list of accounts."""

    fields: AccountFields


class BalanceFields(ManifestPart):
    """Where a balance's facts lie."""

    account: Text | None = Field(default=None, description="Id of the account, when one answer has several.")
    booked: Amount | None = Field(default=None, description="Balance of posted rows.")
    available: Amount | None = Field(default=None, description="Balance with holds and credit lines.")
    balance_at: Moment | None = Field(default=None, description="When it was so; default: now.")
    currency: Text | None = Field(default=None, description="ISO 4217 code, of any case.")


class BalancesRequest(ListRequest):
    """Balances that are asked for on their own: per account, or for all of them at once."""

    fields: BalanceFields
    only_for: Conditions = Field(default_factory=dict, description="Only accounts for which these hold (@account).")


def _nothing_required(schema: JsonDict) -> None:
    """A request that is `like` another one says only what is different."""
    schema.pop("required", None)


class TransactionFields(ManifestPart):
    """Where a transaction's facts lie."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra=_nothing_required)

    id: Text | None = Field(default=None, description="The provider's id.")
    account: Text | None = Field(default=None, description="Id of its account; needed when one answer has several.")
    amount: Amount = Field(description="What was moved.")
    fee: Amount | None = Field(
        default=None, description="A fee that was taken in addition: the row is of both. Negative: money out."
    )
    currency: Text | None = Field(default=None, description="Currency of `amount`; default: the account's.")
    description: Text = Field(description="The text as the bank wrote it.")
    state: State = Field(default="posted", description="`posted`, `pending`, or where it is said.")
    booking_on: Day | None = Field(default=None, description="Day of booking.")
    booking_at: Moment | None = Field(default=None, description="Moment of booking.")
    value_on: Day | None = Field(default=None, description="Value date.")
    transaction_on: Day | None = Field(default=None, description="Day of the purchase.")
    transaction_at: Moment | None = Field(default=None, description="Moment of the purchase.")
    counterparty: Text | None = Field(default=None, description="Merchant, payer or payee.")
    counterparty_account: Text | None = Field(default=None, description="Their IBAN or number.")
    reference: Text | None = Field(default=None, description="End-to-end or mandate reference.")
    kind: Text | None = Field(default=None, description=f"One of {', '.join(TransactionKind)}: use choices.")
    pending_id: Text | None = Field(default=None, description="Id of the pending row that this one replaces.")
    original_amount: Amount | None = Field(default=None, description="Amount of a purchase abroad.")
    original_currency: Text | None = Field(default=None, description="Its currency.")
    exchange_rate: Text | None = Field(default=None, description="Rate between the two.")
    balance_after: Amount | None = Field(default=None, description="Balance of the account after it.")

    @model_validator(mode="after")
    def _has_a_day(self) -> Self:
        if not any((self.booking_on, self.booking_at, self.transaction_on, self.transaction_at)):
            raise ValueError("a day is needed: booking_on or booking_at (transaction_on or transaction_at if pending)")
        return self

    @property
    def can_be_pending(self) -> bool:
        """Whether a row can be pending."""
        return self.state.can_be_pending if isinstance(self.state, StateValue) else self.state == "pending"


def _only_path_required(schema: JsonDict) -> None:
    """A request that is `like` another one may leave out all fields."""
    schema["required"] = ["path"]


class TransactionsRequest(ListRequest):
    """A list of transactions of a window of days."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra=_only_path_required)

    fields: TransactionFields
    each: str | None = Field(
        default=None, description="Path of a list in the record: each of its parts is a row, `@record` what is around."
    )
    pending_records: str | None = Field(
        default=None, description="Path of a second list in the same answer, whose rows are all pending."
    )
    like: str | None = Field(
        default=None, description="Name of the request whose `fields` are meant where none is said."
    )
    only_for: Conditions = Field(default_factory=dict, description="Only accounts for which these hold (@account).")
    window: DayWindow = Field(default_factory=DayWindow, description="How `{from}` and `{to}` are written.")
    newest_first: bool = Field(default=False, description="The list is sorted, so that reading ends before the window.")

    @property
    def can_be_pending(self) -> bool:
        """Whether a row can be pending."""
        return self.pending_records is not None or self.fields.can_be_pending


class ChangesRequest(ManifestRequest):
    """What changed since a cursor, where the provider has one. The rows are read by the fields of `transactions`."""

    records: tuple[str, ...] = Field(description="Paths of the lists of new and corrected rows.")
    removed: str | None = Field(default=None, description="Path of the list of rows that are gone.")
    removed_when: Conditions = Field(
        default_factory=dict, description="Rows of `records` that are gone: those for which these hold."
    )
    removed_id: Path | None = Field(default=None, description="Where one holds its id; default: it is the id itself.")
    param: str = Field(description="Parameter (or key of the body) that takes the cursor.")
    next: Path = Field(description="Where the answer holds the next cursor, a text or a number.")
    more: Path | None = Field(
        default=None, description="Where the answer says whether there is more; default: one answer says everything."
    )
    scope: Scope = Field(default=Scope.CONNECTION, description="`connection` or `account`: whom a cursor belongs to.")
    like: str = Field(default="transactions", description="The request whose `fields` are meant.")


def as_list(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    """Take one table for a list of one."""
    return [value] if isinstance(value, dict) else value


OneOrMoreAccounts = Annotated[
    tuple[AccountsRequest, ...],
    BeforeValidator(as_list, json_schema_input_type=AccountsRequest | tuple[AccountsRequest, ...]),
]
OneOrMoreBalances = Annotated[
    tuple[BalancesRequest, ...],
    BeforeValidator(as_list, json_schema_input_type=BalancesRequest | tuple[BalancesRequest, ...]),
]
OneOrMoreTransactions = Annotated[
    tuple[TransactionsRequest, ...],
    BeforeValidator(as_list, json_schema_input_type=TransactionsRequest | tuple[TransactionsRequest, ...]),
]
