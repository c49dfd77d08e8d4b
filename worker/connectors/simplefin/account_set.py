"""Reads a SimpleFIN Account Set, protocol version 1 or 2. Pure.

A good status can carry errors: `errors` are free sentences in version 1, `errlist` has codes in version 2, of which
an unknown one means what its prefix means. Protocol: https://www.simplefin.org/protocol.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from worker.connectors.base import (
    Account,
    AccountFailure,
    AccountType,
    Balance,
    BalanceKind,
    RejectedRow,
    Transaction,
    TransactionKind,
)
from worker.connectors.errors import ConnectorError, InvalidDataError
from worker.connectors.reading import RepeatedRecords, account_left_out, objects, read_rows, usable_id
from worker.connectors.simplefin.errors import Trouble, read_troubles

Json = Mapping[str, Any]

_NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{1,12})?")
_MASK = re.compile(r"(\d{4})\W*$")
_SECONDS = re.compile(r"\d{1,10}(\.\d{1,9})?")
_YES = frozenset({"true", "1", "yes", "y", "t", "pending"})
_CASH = re.compile(
    r"^(?!.*reinvest).*\b(dividend|interest|fees?|commission|tax|withholding)\b", re.IGNORECASE | re.DOTALL
)
"""What moves money in an account of securities without being bought or sold."""
_LATEST_S = 4_102_444_800


@dataclass(slots=True, kw_only=True)
class AccountSet:
    """What one answer says.

    Attributes:
        complete: False when the server says that something is missing or was cut.
    """

    accounts: list[Account] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    failures: dict[str, ConnectorError] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    complete: bool = True

    def failed(self) -> tuple[AccountFailure, ...]:
        """Return the failures as the contract has them."""
        return tuple(AccountFailure(account_id=account, error=error) for account, error in self.failures.items())


def read_account_set(body: object, repeated: dict[str, RepeatedRecords] | None = None) -> AccountSet:
    """Read a whole answer.

    Args:
        repeated: What the answers for earlier windows held, by account: the windows have no day in common, so a
            record that comes again is no second one. It is added to.

    Raises:
        InvalidDataError: when it is no Account Set.
        AuthenticationError: when the whole token is refused.
        RateLimitError: when the day's requests are spent.
        ProviderUnavailableError: when nothing could be read.
    """
    if not isinstance(body, dict):
        raise InvalidDataError("accounts: the answer is not an Account Set")
    result, troubles = AccountSet(), [*read_troubles(_list(body, "errlist"), _list(body, "errors"))]
    if "accounts" not in body and not troubles:
        raise InvalidDataError("accounts: the answer holds no accounts")
    accounts, institutions = _list(body, "accounts"), _institutions(body)
    for raw in accounts:
        _read_account(result, raw, institutions, {} if repeated is None else repeated)
    _leave_out_shared_ids(result)
    for trouble in troubles:
        _judge(result, trouble, accounts, institutions)
    return result


def read_transactions(accounts: Sequence[Json]) -> list[Transaction]:
    """Turn the transactions of raw accounts into ours. Raises: InvalidDataError at the first that cannot be read."""
    return [_transaction(account, record) for account in accounts for record in _list(account, "transactions")]


def _list(holder: Json, name: str) -> list[Any]:
    value = holder.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidDataError(f"accounts: {name} is not a list")
    return value


def _read_account(
    result: AccountSet, raw: object, institutions: Mapping[str, str], repeated: dict[str, RepeatedRecords]
) -> None:
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str) or not raw["id"]:
        result.warnings.append(account_left_out(raw))
        result.complete = False
        return
    result.accounts.append(_account(raw, institutions))
    try:
        stated = _list(raw, "transactions")
    except InvalidDataError as error:  # the other accounts go on
        result.failures[raw["id"]] = error
        return
    records = repeated.setdefault(raw["id"], RepeatedRecords()).leave_out(stated)
    rows, rejected = read_rows(records, partial(_transaction, raw), account_id=raw["id"], id_field="id")
    result.transactions += rows
    result.rejected += rejected


def _account(raw: Json, institutions: Mapping[str, str]) -> Account:
    name = str(raw.get("name") or "Account")
    mask = _MASK.search(name)
    return Account(
        external_id=raw["id"],
        name=name,
        account_type=AccountType.INVESTMENT if _holds_securities(raw) else AccountType.UNKNOWN,
        currency=str(raw["currency"]) if raw.get("currency") else None,
        mask=mask[1] if mask else None,
        institution_name=_institution(raw, institutions),
        balance=_balance(raw),
    )


def _holds_securities(raw: Json) -> bool:
    return bool(objects(raw.get("holdings")))


def _balance(raw: Json) -> Balance | None:
    """Read the booked balance; without the moment it was so it proves nothing."""
    try:
        amount, at = _amount(raw.get("balance")), _moment(raw.get("balance-date"), "balance-date")
    except InvalidDataError:
        return None
    return Balance(amount=amount, kind=BalanceKind.BOOKED, at=at) if at else None


def _transaction(account: Json, record: Json) -> Transaction:
    posted_at = _moment(record.get("posted"), "posted")
    transacted_at = _moment(record.get("transacted_at"), "transacted_at")
    pending = _pending(record, posted_at, transacted_at)
    if posted_at is None and transacted_at is None and not pending:
        raise InvalidDataError("posted is missing")
    description = str(record.get("description") or record.get("memo") or record.get("payee") or "")
    return Transaction(
        account_id=account["id"],
        amount=_amount(record.get("amount")),
        description=description,
        currency=str(account["currency"]) if account.get("currency") else None,
        external_id=_id(record.get("id")),
        pending=pending,
        booking_at=None if pending else posted_at or transacted_at,
        transaction_at=transacted_at or (posted_at if pending else None),
        counterparty=str(record["payee"]) if record.get("payee") else None,
        kind=TransactionKind.TRADE if _holds_securities(account) and not _CASH.search(description) else None,
        raw=record,
    )


def _id(value: object) -> str | None:
    """Return an id, also one that is a number; None for one that is missing, blank or a placeholder."""
    return usable_id(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _pending(record: Json, posted_at: datetime | None, transacted_at: datetime | None) -> bool:
    """Read `pending` in its spellings; without it, a transaction without a posting day is pending."""
    stated = str(record.get("pending") if record.get("pending") is not None else "").strip().casefold()
    if stated:
        return stated in _YES
    return posted_at is None and transacted_at is not None


def _amount(value: object) -> Decimal:
    if isinstance(value, bool) or not _NUMBER.fullmatch(str(value)):
        raise InvalidDataError("amount is not a number")
    return Decimal(str(value))


def _moment(value: object, name: str) -> datetime | None:
    """Read seconds since 1970; 0 and absence both mean that there is none."""
    if value in (None, 0, "", "0", "null"):
        return None
    if isinstance(value, bool) or not _SECONDS.fullmatch(str(value)) or int(Decimal(str(value))) > _LATEST_S:
        raise InvalidDataError(f"{name} is not a moment")
    return datetime.fromtimestamp(int(Decimal(str(value))), UTC)


def _leave_out_shared_ids(result: AccountSet) -> None:
    """Leave out accounts with the same id, which is unique per institution only: they cannot be told apart."""
    ids = [account.external_id for account in result.accounts]
    for shared in {account_id for account_id in ids if ids.count(account_id) > 1}:
        result.accounts = [account for account in result.accounts if account.external_id != shared]
        result.transactions = [row for row in result.transactions if row.account_id != shared]
        result.failures[shared] = InvalidDataError("two institutions use this account id")


def _institutions(body: Json) -> dict[str, str]:
    """Name the connections of a version 2 answer."""
    connections = (item for item in _list(body, "connections") if isinstance(item, dict))
    named = ((item.get("conn_id"), item.get("name") or item.get("org_name")) for item in connections)
    return {str(connection_id): str(name) for connection_id, name in named if connection_id and name}


def _institution(raw: Json, institutions: Mapping[str, str]) -> str | None:
    org = raw.get("org") if isinstance(raw.get("org"), dict) else {}
    assert isinstance(org, dict)
    name = org.get("name") or org.get("domain") or institutions.get(str(raw.get("conn_id")))
    return str(name) if name else None


def _judge(result: AccountSet, trouble: Trouble, raw_accounts: Sequence[Any], institutions: Mapping[str, str]) -> None:
    """Note what an error concerns: the whole token, the accounts of one connection, or nothing in particular."""
    if trouble.code == "gen.auth" or not raw_accounts:
        raise trouble.error_of_token()
    accounts = [raw for raw in raw_accounts if isinstance(raw, dict) and isinstance(raw.get("id"), str)]
    concerned = [raw["id"] for raw in accounts if trouble.concerns(raw, _institution(raw, institutions))]
    if trouble.account_id is not None and not concerned:
        concerned = [trouble.account_id]
    for account_id in concerned:
        result.failures.setdefault(account_id, trouble.error_of_account())
    if not concerned and trouble.connection_id is None:
        result.complete = False
    result.warnings.append(trouble.message or trouble.code)
