"""Tries a manifest with real keys: fetches once and shows accounts and rows as a bank's page shows them."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, SecretStr

from worker.cli.connection_config import read_config
from worker.cli.output import print_json, print_rows, say, warn
from worker.connections.validation import read
from worker.connectors.base import Account, AuthState, BankConnector, ConnectorContext, Page, Scope, Transaction, Window
from worker.connectors.manifest.connector import make_connector
from worker.connectors.manifest.model import Manifest
from worker.errors import InvalidRequestError
from worker.net.http import open_client

_ACCOUNT_COLUMNS = ("id", "name", "type", "currency", "balance", "balance_kind")
_ROW_COLUMNS = ("day", "amount", "currency", "description", "counterparty", "state", "id")


def run(manifest: Manifest, text: str | None, path: Path | None, *, days: int, as_json: bool) -> None:
    """Fetch the last days of every account and print them.

    Raises:
        InvalidRequestError: when the config is wrong, or keys that are renewed while they are used cannot be kept.
        ConnectorError: what the provider answers.
    """
    connector_type = make_connector(manifest)
    config = read(connector_type.Config, read_config(connector_type, text, path), what=f"config of `{manifest.name}`")
    if manifest.auth.kind == "oauth2_refresh_token" and (path is None or str(path) == "-"):
        raise InvalidRequestError(
            "this provider renews the refresh token: use --config-file, which then keeps the new one"
        )
    zone = ZoneInfo(manifest.timezone)

    def keep(renewed: BaseModel) -> None:
        if manifest.auth.kind == "oauth2_refresh_token" and path is not None:
            path.write_text(json.dumps(_written(manifest, renewed), indent=2) + "\n", encoding="utf-8")
            warn(f"the provider renewed the refresh token; {path} holds the new one")

    with open_client(certificate=connector_type.client_certificate(config)) as http:
        context = ConnectorContext(
            http=http, now=lambda: datetime.now(UTC), save_config=keep, timezone=manifest.timezone
        )
        connector = connector_type(config, context)
        status = connector.get_auth_status()
        if status.state is not AuthState.OK:
            raise InvalidRequestError(f"the provider does not let us in: {status.reason or status.state}")
        today = datetime.now(zone).date()
        _show(connector, Window(from_on=today - timedelta(days=days - 1), to_on=today), zone, as_json=as_json)


def _written(manifest: Manifest, config: BaseModel) -> dict[str, Any]:
    """Return what the config file holds, secrets in the clear as a person wrote them; made tokens are left out."""
    found = {name: value for name, value in config if name in manifest.config and value is not None}
    return {name: one.get_secret_value() if isinstance(one, SecretStr) else one for name, one in found.items()}


def _show(connector: BankConnector, window: Window, zone: ZoneInfo, *, as_json: bool) -> None:
    accounts = {account.external_id: account for account in connector.list_accounts()}
    pages = list(_pages(connector, list(accounts), window))
    accounts |= {account.external_id: account for page in pages for account in page.accounts}
    rows: dict[str, list[Transaction]] = {account_id: [] for account_id in accounts}
    for page in pages:
        for row in page.transactions:
            rows.setdefault(row.account_id, []).append(row)
    if as_json:
        found = [
            {**_account(accounts.get(account_id)), "rows": [_row(row, zone) for row in _sorted(of_account, zone)]}
            for account_id, of_account in rows.items()
        ]
        print_json({"accounts": found, "rejected": [_rejected(row) for page in pages for row in page.rejected]})
        return
    print_rows([_account(one) for one in accounts.values()], _ACCOUNT_COLUMNS, as_json=False, empty="no account")
    for account_id, of_account in rows.items():
        name = accounts[account_id].name if account_id in accounts else account_id
        say(f"\n{name}, {window.from_on} to {window.to_on} in {zone.key}")
        print_rows([_row(row, zone) for row in _sorted(of_account, zone)], _ROW_COLUMNS, as_json=False, empty="no row")
    for page in pages:
        for warning in page.warnings:
            warn(warning)
        for rejected in page.rejected:
            warn(f"a row could not be read: {rejected.message}")


def _pages(connector: BankConnector, account_ids: list[str], window: Window) -> Iterator[Page]:
    together = connector.capabilities.fetch_scope is Scope.CONNECTION
    for account_id in [None] if together else account_ids:
        yield from connector.get_transactions(account_id, window.from_on, window.to_on)


def _sorted(rows: list[Transaction], zone: ZoneInfo) -> list[Transaction]:
    return sorted(rows, key=lambda row: row.day(zone) or date.max, reverse=True)


def _account(account: Account | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {
        "id": account.external_id,
        "name": account.name,
        "type": str(account.account_type),
        "currency": account.currency,
        "balance": format(account.balance.amount, "f") if account.balance else None,
        "balance_kind": str(account.balance.kind) if account.balance else None,
    }


def _row(row: Transaction, zone: ZoneInfo) -> Mapping[str, Any]:
    return {
        "day": str(row.day(zone)),
        "amount": format(row.amount, "f"),
        "currency": row.currency,
        "description": row.description,
        "counterparty": row.counterparty,
        "state": "pending" if row.pending else "posted",
        "id": row.external_id,
    }


def _rejected(row: Any) -> dict[str, str]:  # noqa: ANN401 - a rejected row
    return {"message": row.message, "raw": row.raw}
