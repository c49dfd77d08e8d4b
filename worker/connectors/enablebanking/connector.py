"""The connector for Enable Banking: windows per account, continuation keys, a small daily allowance per bank."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from worker.connectors.base import Capabilities, ConnectorContext, ConnectorForm, IdClass, Page, Transaction, Window
from worker.connectors.berlin.balances import ApiBalance
from worker.connectors.berlin.consent import EUROPE, ConsentAccount, ConsentConnector
from worker.connectors.enablebanking.api import EnableBankingApi
from worker.connectors.enablebanking.config import EnableBankingAccount, EnableBankingConfig
from worker.connectors.enablebanking.errors import SESSION_STATES
from worker.connectors.enablebanking.normalize import (
    ledger_records,
    linked_account,
    read_balances,
    read_transaction,
    void_rows,
)
from worker.connectors.enablebanking.paging import Answer, WindowReader
from worker.connectors.errors import AuthenticationError
from worker.connectors.reading import ids_of, inside, objects, part, read_moment, read_rows, text


class EnableBankingConnector(ConsentConnector):
    """Enable Banking. Its banks' references are null one day and positional the next: only content identifies."""

    name = "enablebanking"
    display_name = "Enable Banking"
    Config = EnableBankingConfig
    form: ClassVar[ConnectorForm] = ConnectorForm(
        linked_by="browser", logo="enablebanking", countries=EUROPE, person=()
    )
    capabilities: ClassVar[Capabilities] = ConsentConnector.capabilities_of(IdClass.POSITIONAL)
    consent_states = SESSION_STATES
    bank_field, trust_field = "bank", "trust_references"
    config: EnableBankingConfig

    def __init__(self, config: EnableBankingConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._api = EnableBankingApi(config, context)
        self._windows = WindowReader(self._api, config.manners, context.now)

    def normalize_transactions(self, raw: Sequence[Mapping[str, Any]]) -> Sequence[Transaction]:
        """Turn records (each with our `account_id` beside it) into transactions."""
        return [read_transaction(record, record.get("account_id", "")) for record in ledger_records(raw)]

    def link(self) -> EnableBankingConfig:
        """Exchange the code of the redirect for a session, once."""
        if self.config.code is None:
            return self.config
        answer = self._api.open_session(self.config.code.get_secret_value())
        self.config = self.config.model_copy(
            update={
                "session_id": part(answer, "session_id", str),
                "code": None,
                "bank": text(inside(answer, "aspsp"), "name"),
                "valid_until": self._expires_at(answer),
                "accounts": tuple(
                    linked_account(account) for account in objects(answer.get("accounts")) if account.get("uid")
                ),
            }
        )
        return self.config

    def revoke(self) -> bool:
        """End the session, and with it the consent at the bank."""
        self._api.close_session(self._session_id)
        return True

    @property
    def _session_id(self) -> str:
        if self.config.session_id is None:
            raise AuthenticationError("the code was not exchanged for a session yet", reason="credentials")
        return self.config.session_id

    def _consent(self) -> Mapping[str, Any]:
        return self._api.session(self._session_id)

    def _expires_at(self, consent: Mapping[str, Any]) -> datetime | None:
        return read_moment(inside(consent, "access").get("valid_until"))

    def _listed(self, consent: Mapping[str, Any]) -> Sequence[ConsentAccount]:
        hashes = {one.get("uid"): text(one, "identification_hash") for one in objects(consent.get("accounts_data"))}
        uids, left_out = ids_of(part(consent, "accounts", list))
        self._warnings += left_out
        return [EnableBankingAccount(uid=uid, identification_hash=hashes.get(uid)) for uid in uids]

    def _nameless(self, account_id: str) -> ConsentAccount:
        return EnableBankingAccount(uid=account_id)

    def _describe(self, account_id: str) -> ConsentAccount:
        return linked_account({**self._api.details(account_id), "uid": account_id})

    def _read_balances(self, account_id: str) -> list[ApiBalance]:
        return read_balances(self._api.balances(account_id))

    def _read(self, account_id: str, window: Window) -> Iterator[Page]:
        for answer in self._windows.read(account_id, window):
            page = self._with_warnings(self._page(account_id, answer))
            yield self._with_balance(page, account_id) if answer.is_last else page
        if self._windows.manners != self.config.manners:
            self._keep({"manners": self._windows.manners})

    def _page(self, account_id: str, answer: Answer) -> Page:
        read = partial(read_transaction, account_id=account_id)
        transactions, rejected = read_rows(
            ledger_records(answer.records), read, account_id=account_id, id_field="entry_reference"
        )
        return Page(
            transactions=transactions,
            rejected=rejected,
            voided=void_rows(answer.records, account_id),
            covers=answer.window,
            starts_over=answer.starts_over,
            warnings=answer.warnings,
        )
