"""Checks the connector's declarations and the types of what it returns."""

import copy
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from worker.connectors.base import Account, AuthState, Transaction
from worker.connectors.testing.check import check, expect, http
from worker.connectors.testing.scenes import usual
from worker.connectors.testing.subject import Subject
from worker.connectors.testing.transport import answers

_LONGEST_MASK = 6


@check()
def it_declares_itself(subject: Subject) -> None:
    connector, able = subject.spec.connector, subject.capabilities
    expect(connector.name.isidentifier() and connector.name.islower(), "name: lower case letters, digits, underscores")
    expect(connector.display_name.strip(), "display_name: what people read")
    expect(issubclass(connector.Config, BaseModel), "Config: a pydantic model")
    expect(connector.Config.model_config.get("hide_input_in_errors"), "Config: derive it from ConnectorConfig")
    undescribed = [name for name, field in connector.Config.model_fields.items() if not field.description]
    expect(not undescribed, f"Config: fields without a description: {undescribed}")
    ZoneInfo(able.timezone)
    for days in (able.window_days, able.history_days):
        expect(days is None or days > 0, "capabilities: window_days and history_days are positive or None")
    expect(all(quota.calls > quota.reserve >= 0 for quota in able.quotas), "quotas: calls must exceed the reserve")


@check()
def a_good_login_is_ok(subject: Subject) -> None:
    with subject.opened() as connector:
        status = connector.get_auth_status()
    expect(status.state is AuthState.OK, f"get_auth_status with good credentials said {status.state}")


@check(http)
def a_refused_login_is_a_status(subject: Subject) -> None:
    subject.transport.fault = answers("401", 401)
    with subject.opened() as connector:
        status = connector.get_auth_status()
    expect(status.state is not AuthState.OK, "get_auth_status says ok although the provider refuses the login")


@check()
def accounts_have_the_right_shape(subject: Subject) -> None:
    accounts = subject.accounts()
    expect(accounts, "list_accounts returned no account")
    for account in accounts:
        expect(isinstance(account, Account), f"list_accounts returned a {type(account).__name__}")
        expect(not list(_misfits(account)), f"account: {'; '.join(_misfits(account))}")
        expect(len(account.mask or "") <= _LONGEST_MASK, "account.mask: a few last digits, never the whole number")
        expect(account.anchor is None or account.anchor.partition(":")[2], "account.anchor: `kind:value`")
    ids = [account.external_id for account in accounts]
    expect(len(set(ids)) == len(ids), "list_accounts returned an id twice")


@check()
def pages_have_the_right_shape(subject: Subject) -> None:
    usual(subject)
    pages = subject.read()
    expect(pages, "a delivery has at least one page, which says what it covers")
    problems = [problem for page in pages for problem in _misfits(page)]
    expect(not problems, f"page: {'; '.join(problems[:5])}")
    known = set(subject.currencies())
    rows = [row for page in pages for row in page.transactions]
    expect(rows, "a month with transactions was delivered without any")
    lacking = {row.account_id for row in rows} - known
    expect(
        not lacking,
        f"a transaction belongs to account {', '.join(sorted(lacking))}, and list_accounts has"
        f" {', '.join(sorted(known))}: where accounts are found and where rows name theirs do not agree",
    )
    for row in rows:
        problem = _unfit(subject, row)
        expect(problem is None, f"transaction {row.external_id}: {problem}")


@check()
def normalising_is_pure(subject: Subject) -> None:
    usual(subject)
    calls: list[tuple[Any, Any, Any]] = []
    with subject.opened() as connector:
        original = connector.normalize_transactions

        def recorded(raw: Any) -> Any:  # noqa: ANN401 - the provider's own JSON
            raw = list(raw) if isinstance(raw, Iterator) else raw
            before = copy.deepcopy(raw)
            result = original(raw)
            calls.append((before, raw, list(result)))
            return result

        connector.normalize_transactions = recorded  # type: ignore[method-assign]
        list(subject.pages(connector, subject.window()))
        requests_before = len(subject.transport.requests)
        for before, after, result in calls:
            expect(before == after, "normalize_transactions changes the record it is given")
            expect(
                list(original(copy.deepcopy(before))) == result, "normalize_transactions answers differently each time"
            )
    expect(len(subject.transport.requests) == requests_before, "normalize_transactions asks the provider")


def _unfit(subject: Subject, row: Transaction) -> str | None:
    if not row.amount.is_finite():
        return f"amount {row.amount} is no number"
    if not row.pending and subject.day_of(row) is None:
        return "a posted row needs booking_on or booking_at"
    if any(moment is not None and moment.tzinfo is None for moment in (row.booking_at, row.transaction_at)):
        return "booking_at and transaction_at need a zone"
    try:
        json.dumps(dict(row.raw or {}), default=str)
    except (TypeError, ValueError):
        return "raw cannot be kept as JSON"
    return None


def _misfits(value: object) -> Iterator[str]:
    """Name every field whose value is not of the declared type, through all nested dataclasses."""
    if isinstance(value, tuple):
        for item in value:
            yield from _misfits(item)
        return
    if not is_dataclass(value):
        return
    for field in fields(value):
        held = getattr(value, field.name)
        if not _fits(type(value), field.name, held):
            yield f"{type(value).__name__}.{field.name} is a {type(held).__name__}"
        if field.name != "raw":
            yield from _misfits(held)


def _fits(owner: type, name: str, held: object) -> bool:
    adapter, takes_moments = _field_type(owner, name)
    if isinstance(held, datetime) and not takes_moments:
        return False
    try:
        adapter.validate_python(held, strict=True)
    except ValidationError:
        return False
    return True


@cache
def _field_type(owner: type, name: str) -> tuple[TypeAdapter[Any], bool]:
    hint = get_type_hints(owner)[name]
    config = None if is_dataclass(hint) else ConfigDict(arbitrary_types_allowed=True)
    return TypeAdapter(hint, config=config), "datetime" in str(hint)
