"""Applies what a person states about an account (name, IBAN, currency, sign) to the events of its files."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from worker.connectors.file.config import AccountOverride, FileConfig
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask
from worker.connectors.file.statement.events import BadRow, Closed, Event, Opened, Row, StatedBalance, StatementAccount


class EventOverrides:
    """Applies the overrides of a config to a file's events."""

    def __init__(self, config: FileConfig) -> None:
        self._config = config
        self._known: dict[str, tuple[StatementAccount, AccountOverride | None]] = {}

    def events(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events with what is stated instead of what the file says."""
        for event in events:
            match event:
                case Opened():
                    yield replace(event, account=self._open(event.account))
                case Row():
                    yield self._row(event)
                case Closed():
                    yield self._close(event)
                case BadRow() if event.account in self._known:
                    yield replace(event, account=self._known[event.account][0].key)
                case _:
                    yield event

    def _open(self, account: StatementAccount) -> StatementAccount:
        stated = self._config.override(account.key, account.mask)
        labelled = _labelled(account, stated) if stated else account
        self._known[account.key] = (labelled, stated)
        return labelled

    def _row(self, event: Row) -> Row:
        account, stated = self._known[event.transaction.account_id]
        if stated is None:
            return event
        transaction = event.transaction
        amount = -transaction.amount if stated.flip_sign and transaction.amount else transaction.amount
        currency = transaction.currency or stated.currency
        return replace(
            event, transaction=replace(transaction, account_id=account.key, amount=amount, currency=currency)
        )

    def _close(self, event: Closed) -> Closed:
        account, stated = self._known[event.account]
        flip = stated is not None and stated.flip_sign
        return replace(
            event,
            account=account.key,
            opening=_turned(event.opening, flip=flip),
            closing=_turned(event.closing, flip=flip),
            available=_turned(event.available, flip=flip),
        )


def _labelled(account: StatementAccount, stated: AccountOverride) -> StatementAccount:
    anchor = account_anchor(stated.iban) if stated.iban else account.anchor
    return replace(
        account,
        key=account_key(anchor) if stated.iban and anchor else account.key,
        anchor=anchor,
        mask=account_mask(stated.iban) if stated.iban else account.mask,
        name=stated.name or account.name,
        account_type=stated.account_type or account.account_type,
        currency=account.currency or stated.currency,
    )


def _turned(balance: StatedBalance | None, *, flip: bool) -> StatedBalance | None:
    return replace(balance, amount=-balance.amount) if balance is not None and flip else balance
