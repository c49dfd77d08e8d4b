"""Applies what a person states about an account (name, IBAN, currency, sign) to the events of its files."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from worker.connectors.base import Account, Transaction
from worker.connectors.file.config import AccountOverride, FileConfig
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask
from worker.connectors.file.statement.events import BadRow, Closed, Details, Event, Opened, Row, StatedBalance, Voided
from worker.connectors.file.statement.notification_details import EntryReference


class EventOverrides:
    """Applies the overrides of a config to a file's events."""

    def __init__(self, config: FileConfig) -> None:
        self._config = config
        self._known: dict[str, tuple[Account, AccountOverride | None]] = {}

    def events(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events with what is stated instead of what the file says."""
        for event in events:
            match event:
                case Opened():
                    yield replace(event, account=self._open(event.account))
                case Row():
                    yield self._row(event)
                case Voided():
                    yield self._voided(event)
                case Details():
                    yield self._details(event)
                case Closed():
                    yield self._close(event)
                case BadRow() if event.account in self._known:
                    yield replace(event, account=self._known[event.account][0].external_id)
                case _:
                    yield event

    def _open(self, account: Account) -> Account:
        # An id of the number alone, as ids were without a currency, means its accounts in every currency.
        ids = (account.external_id, *([account_key(account.anchor)] if account.anchor else []))
        stated = self._config.override(ids, account.mask)
        labelled = _labelled(account, stated) if stated else account
        self._known[account.external_id] = (labelled, stated)
        return labelled

    def _row(self, event: Row) -> Row:
        account, stated = self._known[event.transaction.account_id]
        if stated is None:
            return event
        entry = _labelled_entry(event.entry, account, stated) if event.entry is not None else None
        return replace(event, transaction=_labelled_row(event.transaction, account, stated), entry=entry)

    def _voided(self, event: Voided) -> Voided:
        account, stated = self._known[event.transaction.account_id]
        if stated is None:
            return event
        return replace(event, transaction=_labelled_row(event.transaction, account, stated))

    def _details(self, event: Details) -> Details:
        account, stated = self._known[event.entry.account]
        if stated is None:
            return event
        payments = tuple(_labelled_row(one, account, stated) for one in event.payments)
        return replace(event, entry=_labelled_entry(event.entry, account, stated), payments=payments)

    def _close(self, event: Closed) -> Closed:
        account, stated = self._known[event.account]
        flip = stated is not None and stated.flip_sign
        return replace(
            event,
            account=account.external_id,
            opening=_turned(event.opening, flip=flip),
            closing=_turned(event.closing, flip=flip),
            available=_turned(event.available, flip=flip),
        )


def _labelled(account: Account, stated: AccountOverride) -> Account:
    anchor = account_anchor(stated.iban) if stated.iban else account.anchor
    currency = account.currency or stated.currency
    return replace(
        account,
        external_id=account_key(anchor, currency) if anchor else account.external_id,
        anchor=anchor,
        mask=account_mask(stated.iban) if stated.iban else account.mask,
        name=stated.name or account.name,
        account_type=stated.account_type or account.account_type,
        currency=currency,
    )


def _labelled_row(transaction: Transaction, account: Account, stated: AccountOverride) -> Transaction:
    amount = -transaction.amount if stated.flip_sign and transaction.amount else transaction.amount
    currency = transaction.currency or stated.currency
    return replace(transaction, account_id=account.external_id, amount=amount, currency=currency)


def _labelled_entry(entry: EntryReference, account: Account, stated: AccountOverride) -> EntryReference:
    amount = -entry.amount if stated.flip_sign else entry.amount
    return replace(entry, account=account.external_id, amount=amount, currency=entry.currency or stated.currency)


def _turned(balance: StatedBalance | None, *, flip: bool) -> StatedBalance | None:
    return replace(balance, amount=-balance.amount) if balance is not None and flip else balance
