"""The conformance kit over the three aggregators: their fakes tell the kit's ledger in each provider's dialect."""

import json
from typing import Any
from urllib.parse import parse_qsl

import httpx2

from tests.fakes import enablebanking_server, gocardless_server, plaid_server
from tests.fakes.enablebanking_server import FakeEnableBanking
from tests.fakes.gocardless_server import FakeGoCardless
from tests.fakes.plaid_server import FakePlaid
from tests.fakes.provider_server import Asked, FakeProvider
from worker.connectors.enablebanking import EnableBankingConnector
from worker.connectors.errors import AuthenticationError, CursorInvalidError, ProviderUnavailableError, RateLimitError
from worker.connectors.gocardless import GoCardlessConnector
from worker.connectors.plaid import PlaidConnector
from worker.connectors.testing import Entry, Ledger, connector_tests


class _InProcess(FakeProvider):
    """Answers the kit's requests without a socket; an answer that is not as published fails the check."""

    ledger: Ledger

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        text = request.read()
        reply = self.reply(
            Asked(
                method=request.method,
                path=request.url.path,
                query=dict(parse_qsl(request.url.query.decode())),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=json.loads(text) if text else None,
            )
        )
        assert not self.drift, self.drift
        content = json.dumps(reply.body).encode()
        headers = {"content-type": "application/json"} | dict(reply.headers)
        return httpx2.Response(reply.status, headers=headers, content=content)

    def in_window(self, account_id: str, first: str, last: str) -> list[Entry]:
        return [one for one in self.ledger.entries(account_id) if first <= one.on.isoformat() <= last]


class LedgerPlaid(_InProcess, FakePlaid):
    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    def journal_now(self) -> list[tuple[str, dict[str, Any]]]:
        return [(change.kind.value, _plaid(change.entry)) for change in self.ledger.history]

    def rows_per_page(self) -> int:
        return self.ledger.page_size

    def accounts_now(self) -> list[dict[str, Any]]:
        return [
            plaid_server.account(one.id, "depository", "checking", 0, "0000")
            | {"balances": _plaid_balances(float(self.ledger.balance(one.id)), one.currency)}
            for one in self.ledger.accounts
        ]


def _plaid_balances(current: float, currency: str) -> dict[str, Any]:
    return {
        "available": None,
        "current": current,
        "limit": None,
        "iso_currency_code": currency,
        "unofficial_currency_code": None,
    }


def _plaid(entry: Entry) -> dict[str, Any]:
    return plaid_server.transaction(
        entry.id,
        -float(entry.amount),
        account_id=entry.account_id,
        iso_currency_code=entry.currency,
        date=entry.on.isoformat(),
        authorized_date=entry.made_on.isoformat(),
        name=entry.description,
        merchant_name=entry.counterparty,
        pending=entry.pending,
        pending_transaction_id=entry.replaces,
    )


class LedgerEnableBanking(_InProcess, FakeEnableBanking):
    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        self.now = ledger.now
        self.session_id = "session-canary-9c2e7a41"
        self.uids = [account.id for account in ledger.accounts]

    def pages_of(self, uid: str, query: Any) -> list[list[dict[str, Any]]]:
        rows = [_berlin_snake(one) for one in self.in_window(uid, query["date_from"], query["date_to"])]
        size = self.ledger.page_size
        return [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]

    def balances_of(self, uid: str) -> list[dict[str, Any]]:
        amount = {"currency": self._currency(uid), "amount": f"{self.ledger.balance(uid):f}"}
        return [enablebanking_server.balance("0", "ITBD", balance_amount=amount)]

    def details_of(self, uid: str) -> dict[str, Any]:
        return super().details_of(uid) | {"currency": self._currency(uid)}

    def _currency(self, uid: str) -> str:
        return next(account.currency for account in self.ledger.accounts if account.id == uid)


def _berlin_snake(entry: Entry) -> dict[str, Any]:
    return enablebanking_server.transaction(
        f"{abs(entry.amount):f}",
        "DBIT" if entry.amount < 0 else "CRDT",
        transaction_amount={"currency": entry.currency, "amount": f"{abs(entry.amount):f}"},
        status="PDNG" if entry.pending else "BOOK",
        booking_date=entry.booked_on.isoformat() if entry.booked_on else None,
        value_date=None,
        transaction_date=entry.made_on.isoformat(),
        remittance_information=[entry.description],
        creditor={"name": entry.counterparty},
        debtor={"name": entry.counterparty},
    )


class LedgerGoCardless(_InProcess, FakeGoCardless):
    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        self.allowance = 1_000
        self.requisition_id = "requisition-1"
        self.account_ids = [account.id for account in ledger.accounts]

    def data(self, account_id: str, kind: str, query: Any) -> tuple[dict[str, Any], str]:
        body, schema = super().data(account_id, kind, query)
        currency = next(account.currency for account in self.ledger.accounts if account.id == account_id)
        if kind == "details":
            body["account"] |= {"currency": currency, "iban": f"XX{account_id}"}
        elif kind == "balances":
            amount = {"amount": f"{self.ledger.balance(account_id):f}", "currency": currency}
            body["balances"] = [{"balanceAmount": amount, "balanceType": "interimBooked"}]
        else:
            rows = self.in_window(account_id, query["date_from"], query["date_to"])
            body["transactions"] = {
                "booked": [_berlin_camel(one) for one in rows if not one.pending],
                "pending": [_berlin_camel(one) for one in rows if one.pending],
            }
        return body, schema


def _berlin_camel(entry: Entry) -> dict[str, Any]:
    record = gocardless_server.transaction(
        f"{entry.amount:f}",
        transactionAmount={"amount": f"{entry.amount:f}", "currency": entry.currency},
        bookingDate=entry.on.isoformat(),
        remittanceInformationUnstructured=entry.description,
        creditorName=entry.counterparty,
        debtorName=entry.counterparty,
    )
    del record["valueDate"]
    return record


def _refuses(reply: Any) -> Any:
    return lambda _request: httpx2.Response(reply.status, headers=dict(reply.headers), json=reply.body)


TestPlaid = connector_tests(
    PlaidConnector,
    config={
        "client_id": plaid_server.CLIENT_ID,
        "secret": plaid_server.SECRET,
        "access_token": "access-canary-5b1d",
        "item_id": "item-1",
    },
    server=LedgerPlaid,
    faults={
        "a login that ended": (
            _refuses(plaid_server.error("ITEM_ERROR", "ITEM_LOGIN_REQUIRED")),
            AuthenticationError,
        ),
        "a bank that is down": (
            _refuses(plaid_server.error("INSTITUTION_ERROR", "INSTITUTION_DOWN")),
            ProviderUnavailableError,
        ),
        "a limit": (
            _refuses(plaid_server.error("RATE_LIMIT_EXCEEDED", "TRANSACTIONS_SYNC_LIMIT", 429)),
            RateLimitError,
        ),
        "a change while paging": (
            _refuses(plaid_server.error("TRANSACTIONS_ERROR", "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION")),
            CursorInvalidError,
        ),
    },
)

TestEnableBanking = connector_tests(
    EnableBankingConnector,
    config={
        "application_id": enablebanking_server.APPLICATION,
        "private_key": enablebanking_server.PRIVATE_KEY,
        "session_id": "session-canary-9c2e7a41",
    },
    server=LedgerEnableBanking,
    faults={
        "a session that ended": (
            _refuses(enablebanking_server.refusal("EXPIRED_SESSION", 401, "over")),
            AuthenticationError,
        ),
        "a spent day": (
            _refuses(enablebanking_server.refusal("ASPSP_RATE_LIMIT_EXCEEDED", 429, "enough")),
            RateLimitError,
        ),
        "a spent day in the bank's own words": (
            _refuses(enablebanking_server.refusal("ASPSP_ERROR", 400, "[HUB046] Allowed number of accesses exceeded")),
            RateLimitError,
        ),
    },
)

TestGoCardless = connector_tests(
    GoCardlessConnector,
    config={
        "secret_id": gocardless_server.SECRET_ID,
        "secret_key": gocardless_server.SECRET_KEY,
        "requisition_id": "requisition-1",
    },
    server=LedgerGoCardless,
    faults={
        "an agreement that ended": (
            _refuses(gocardless_server.refusal(401, "End User Agreement (EUA) x has expired", "connect once more")),
            AuthenticationError,
        ),
        "a spent day": (
            _refuses(gocardless_server.refusal(429, "Rate limit exceeded", "Please try again in 79999 seconds")),
            RateLimitError,
        ),
    },
)
