"""The connector for GoCardless Bank Account Data: whole windows per account, four calls a day for each kind of data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from worker.connectors.base import (
    Capabilities,
    ConnectorContext,
    ConnectorForm,
    IdClass,
    Page,
    RejectedRow,
    Transaction,
    Window,
)
from worker.connectors.berlin.balances import ApiBalance
from worker.connectors.berlin.consent import EUROPE, ConsentAccount, ConsentConnector
from worker.connectors.errors import AuthenticationError, ConnectorError, InvalidDataError
from worker.connectors.gocardless.api import GoCardlessApi
from worker.connectors.gocardless.config import GoCardlessAccount, GoCardlessConfig
from worker.connectors.gocardless.errors import FAILURES_BEFORE_SUSPENSION, REQUISITION_STATES, counts_to_suspension
from worker.connectors.gocardless.normalize import (
    linked_account,
    names_next_page,
    posted_once,
    read_balances,
    read_transaction,
)
from worker.connectors.reading import ids_of, part, read_moment, read_rows, text


class GoCardlessConnector(ConsentConnector):
    """GoCardless Bank Account Data. Ids are the banks' own and optional: only content identifies."""

    name = "gocardless"
    display_name = "GoCardless Bank Account Data"
    Config = GoCardlessConfig
    form: ClassVar[ConnectorForm] = ConnectorForm(linked_by="browser", logo="gocardless", countries=EUROPE, person=())
    capabilities: ClassVar[Capabilities] = ConsentConnector.capabilities_of(IdClass.DELIVERY)
    consent_states = REQUISITION_STATES
    bank_field, trust_field = "institution", "trust_ids"
    config: GoCardlessConfig

    def __init__(self, config: GoCardlessConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._api = GoCardlessApi(config, context, self._keep)

    def normalize_transactions(self, raw: Mapping[str, Any]) -> Sequence[Transaction]:
        """Turn `{"account_id", "booked", "pending"}` into transactions."""
        return [
            read_transaction(record, raw.get("account_id", ""), pending=pending)
            for name, pending in (("booked", False), ("pending", True))
            for record in raw.get(name) or ()
        ]

    def read_rejected(self, row: RejectedRow) -> Sequence[Transaction]:
        """Refuse it: the list of a record says whether it is booked, and only the bank's next answer says the list."""
        del row
        raise InvalidDataError("whether the row is booked is not known")

    def revoke(self) -> bool:
        """Delete the requisition, and with it the consent at the bank."""
        self._api.delete_requisition(self.config.requisition_id)
        return True

    def _consent(self) -> Mapping[str, Any]:
        return self._api.requisition(self.config.requisition_id)

    def _expires_at(self, consent: Mapping[str, Any]) -> datetime | None:
        """Return when the consent ends: so many days after the user accepted the agreement."""
        agreement_id = text(consent, "agreement")
        agreement = self._api.agreement(agreement_id) if agreement_id else {}
        accepted_at = read_moment(agreement.get("accepted"))
        return accepted_at + timedelta(days=part(agreement, "access_valid_for_days", int)) if accepted_at else None

    def _listed(self, consent: Mapping[str, Any]) -> Sequence[ConsentAccount]:
        if self.config.institution is None:
            self._learn_bank_name(text(consent, "institution_id"))
        account_ids, left_out = ids_of(part(consent, "accounts", list))
        self._warnings += left_out
        return [self._nameless(account_id) for account_id in account_ids]

    def _learn_bank_name(self, institution_id: str | None) -> None:
        try:
            name = text(self._api.institution(institution_id), "name") if institution_id else None
        except AuthenticationError:
            raise
        except ConnectorError as error:
            self._warnings.append(f"a bank without its name: {error}")
        else:
            if name:
                self._keep({"institution": name})

    def _nameless(self, account_id: str) -> ConsentAccount:
        return GoCardlessAccount(id=account_id)

    def _describe(self, account_id: str) -> ConsentAccount:
        return linked_account(account_id, self._api.metadata(account_id), self._api.details(account_id))

    def _read_balances(self, account_id: str) -> list[ApiBalance]:
        return read_balances(self._api.balances(account_id))

    def _read(self, account_id: str, window: Window) -> Iterator[Page]:
        """Yield the window as one page, with its balance; days before the agreed history are left out."""
        oldest_on = self.context.now().date() - timedelta(days=self.config.history_days)
        granted = replace(window, from_on=min(max(window.from_on, oldest_on), window.to_on))
        if granted != window:
            self._warnings.append(f"the agreement grants nothing before {granted.from_on.isoformat()}")
        self._api.readings.clear()
        page = self._with_warnings(self._page(account_id, self._transactions(account_id, granted)))
        yield replace(
            self._with_balance(page, account_id),
            covers=granted if page.complete else None,
            quota=tuple(self._api.readings),
        )

    def _transactions(self, account_id: str, window: Window) -> Mapping[str, Any]:
        """Ask for a window; GoCardless suspends an account that fails too often in a row, so we stop before it does."""
        failures = self.config.failures.get(account_id, 0)
        if failures >= FAILURES_BEFORE_SUSPENSION:
            raise AuthenticationError(
                f"the bank refused {failures} times in a row; asking on would make GoCardless suspend the access",
                reason="action_required",
            )
        try:
            answer = self._api.transactions(account_id, window)
        except ConnectorError as error:
            if counts_to_suspension(error):
                self._keep({"failures": {**self.config.failures, account_id: failures + 1}})
            raise
        if failures:
            self._keep({"failures": {one: count for one, count in self.config.failures.items() if one != account_id}})
        return part(answer, "transactions", dict)

    def _page(self, account_id: str, lists: Mapping[str, Any]) -> Page:
        """Read both lists; either may be absent."""
        booked_records, pending_records = posted_once(lists)
        read = partial(read_transaction, account_id=account_id)
        named = {"account_id": account_id, "id_field": "transactionId"}
        booked, refused = read_rows(booked_records, partial(read, pending=False), **named)
        pending, refused_pending = read_rows(pending_records, partial(read, pending=True), **named)
        if cut := names_next_page(lists):
            self._warnings.append("the bank says that its list goes on, and no further page of it can be asked for")
        return Page(transactions=(*booked, *pending), rejected=(*refused, *refused_pending), complete=not cut)
