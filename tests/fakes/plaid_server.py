"""A small Plaid: logins with a journal of changes, cursors into it, and the errors Plaid is known for."""

import itertools
from typing import Any

from tests.fakes.provider_server import Asked, FakeProvider, Reply
from tests.fakes.published import PLAID

CLIENT_ID, SECRET = "client-id-1", "canary-plaid-secret"
CHECKING = "BxBXxLj1m4HMXBm9WZZmCWVbPjX16EHwv99vp"
CARD = "dVzbVMLjrxTnLjX4G66XUp5GLklm4oiZy88yK"


def transaction(transaction_id: str, amount: float, **values: Any) -> dict[str, Any]:
    """Plaid's record of one transaction; positive = money out, as Plaid has it."""
    nothing = dict.fromkeys(
        ("by_order_of", "payee", "payer", "payment_method", "payment_processor", "ppd_id", "reason", "reference_number")
    )
    nowhere = dict.fromkeys(("address", "city", "region", "postal_code", "country", "lat", "lon", "store_number"))
    return {
        "transaction_id": transaction_id,
        "account_id": CHECKING,
        "amount": amount,
        "iso_currency_code": "USD",
        "unofficial_currency_code": None,
        "date": "2026-11-10",
        "datetime": None,
        "authorized_date": "2026-11-09",
        "authorized_datetime": None,
        "location": nowhere,
        "name": f"Purchase {transaction_id}",
        "merchant_name": "Corner Shop",
        "payment_meta": nothing,
        "payment_channel": "in store",
        "pending": False,
        "pending_transaction_id": None,
        "account_owner": None,
        "transaction_code": None,
    } | values


def account(account_id: str, kind: str, subtype: str, current: float, mask: str) -> dict[str, Any]:
    balances = {
        "available": None,
        "current": current,
        "limit": None,
        "iso_currency_code": "USD",
        "unofficial_currency_code": None,
    }
    return {
        "account_id": account_id,
        "balances": balances,
        "mask": mask,
        "name": f"Plaid {subtype}",
        "official_name": None,
        "type": kind,
        "subtype": subtype,
    }


class FakePlaid(FakeProvider):
    """journal: what happened, as (kind, record); a cursor is a place in it.

    page_size: caps what is asked for. mutate_before: the sync call (1 = first) before which the journal changes.
    always_mutates: the journal changes under every reading. forgotten: cursors that the login does not know any more.
    """

    published = PLAID

    def __init__(self) -> None:
        super().__init__()
        self.journal: list[tuple[str, dict[str, Any]]] = []
        self.accounts = [account(CHECKING, "depository", "checking", 110.94, "0000")]
        self.accounts += [account(CARD, "credit", "credit card", 410.0, "3333")]
        self.status = "HISTORICAL_UPDATE_COMPLETE"
        self.page_size = 500
        self.mutate_before = 0
        self.always_mutates = False
        self.forgotten: set[str] = set()
        self.item_error: dict[str, Any] | None = None
        self.institution_name: str | None = "First Platypus Bank"
        self.exchanged: list[str] = []
        self.link_expires_at = "2026-11-20T16:00:00Z"
        self.removed_items = 0
        self.links = 0
        self.webhook: str | None = None
        self.keys: dict[str, dict[str, Any]] = {}
        self._started_at = ""
        self._syncs = 0

    def add(self, record: dict[str, Any]) -> None:
        self.journal.append(("added", record))

    def modify(self, record: dict[str, Any]) -> None:
        self.journal.append(("modified", record))

    def remove(self, transaction_id: str, account_id: str = CHECKING) -> None:
        self.journal.append(("removed", {"transaction_id": transaction_id, "account_id": account_id}))

    def fail(self, path: str, error_type: str, error_code: str, status: int = 400, **values: Any) -> None:
        self.broken.setdefault(path, []).append(error(error_type, error_code, status, **values))

    def journal_now(self) -> list[tuple[str, dict[str, Any]]]:
        return self.journal

    def accounts_now(self) -> list[dict[str, Any]]:
        return self.accounts

    def rows_per_page(self) -> int:
        return self.page_size

    def answer(self, asked: Asked) -> Reply:
        given = asked.headers.get("plaid-client-id"), asked.headers.get("plaid-secret")
        if given != (CLIENT_ID, SECRET) or asked.headers.get("plaid-version") != "2020-09-14":
            return error("INVALID_INPUT", "INVALID_API_KEYS")
        assert "client_id" not in asked.body, "credentials belong into headers"
        assert "secret" not in asked.body, "credentials belong into headers"
        if "access_token" in asked.body and self.item_error and asked.path != "/item/get":
            return Reply(self.item_error | {"request_id": "r-item"}, "PlaidError", 400)
        return getattr(self, "on" + asked.path.replace("/", "_"))(asked.body)

    def on_transactions_sync(self, body: dict[str, Any]) -> Reply:
        self._syncs += 1
        if body.get("cursor") in self.forgotten:
            message = "cursor not associated with access_token"
            return error("INVALID_REQUEST", "INVALID_FIELD", error_message=message)
        if self._syncs == self.mutate_before or self.always_mutates:
            return error("TRANSACTIONS_ERROR", "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION")
        assert body.get("cursor") != "", "an empty cursor is left out"
        if self.status == "NOT_READY":
            return Reply(self._sync([], "", more=False), "TransactionsSyncResponse")
        start = int(body.get("cursor", "c0")[1:])
        end = start + min(body.get("count", 100), self.rows_per_page())
        page = self.journal_now()[start:end]
        answer = self._sync(page, f"c{start + len(page)}", more=end < len(self.journal_now()))
        return Reply(answer, "TransactionsSyncResponse")

    def on_transactions_get(self, body: dict[str, Any]) -> Reply:
        options = body["options"]
        gone = {record["transaction_id"] for kind, record in self.journal_now() if kind == "removed"}
        records = {
            record["transaction_id"] or place: record
            for place, (kind, record) in enumerate(self.journal_now())
            if kind != "removed"
        }
        found = [
            record
            for record in records.values()
            if body["start_date"] <= record["date"] <= body["end_date"]
            and record["account_id"] in options.get("account_ids", [record["account_id"]])
            and record["transaction_id"] not in gone
        ]
        page = found[options["offset"] : options["offset"] + min(options["count"], self.rows_per_page())]
        answer = {
            "accounts": self.accounts_now(),
            "transactions": page,
            "total_transactions": len(found),
            "item": self._item(),
            "request_id": "r-get",
        }
        return Reply(answer, "TransactionsGetResponse")

    def on_accounts_get(self, _body: dict[str, Any]) -> Reply:
        answer = {"accounts": self.accounts_now(), "item": self._item(), "request_id": "r-accounts"}
        return Reply(answer, "AccountsGetResponse")

    def on_item_get(self, _body: dict[str, Any]) -> Reply:
        return Reply({"item": self._item(), "request_id": "r-item"}, "ItemGetResponse")

    def on_item_remove(self, _body: dict[str, Any]) -> Reply:
        self.removed_items += 1
        return Reply({"request_id": "r-remove"}, "ItemRemoveResponse")

    def on_item_webhook_update(self, body: dict[str, Any]) -> Reply:
        self.webhook = body["webhook"]
        return Reply({"item": self._item(), "request_id": "r-webhook"}, None)

    def on_item_public_token_exchange(self, body: dict[str, Any]) -> Reply:
        if body["public_token"] in self.exchanged:
            return error("INVALID_INPUT", "INVALID_PUBLIC_TOKEN")
        self.exchanged.append(body["public_token"])
        number = len(self.exchanged)
        answer = {"access_token": f"access-canary-{number}", "item_id": f"item-{number}", "request_id": "r-exchange"}
        return Reply(answer, "ItemPublicTokenExchangeResponse")

    def on_link_token_create(self, body: dict[str, Any]) -> Reply:
        self.links += 1
        token = f"link-{self.links}"
        answer = {"link_token": token, "expiration": self.link_expires_at, "request_id": "r-link"}
        if "hosted_link" in body:
            answer["hosted_link_url"] = f"https://secure.plaid.test/hl/{token}"
        return Reply(answer, "LinkTokenCreateResponse")

    def on_institutions_get_by_id(self, body: dict[str, Any]) -> Reply:
        institution = {
            "institution_id": body["institution_id"],
            "name": "Platypus by id",
            "products": ["transactions"],
            "country_codes": ["US"],
            "routing_numbers": [],
            "oauth": False,
        }
        return Reply({"institution": institution, "request_id": "r-institution"}, "InstitutionsGetByIdResponse")

    def on_webhook_verification_key_get(self, body: dict[str, Any]) -> Reply:
        if body["key_id"] not in self.keys:
            return error("INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID")
        answer = {"key": self.keys[body["key_id"]], "request_id": "r-key"}
        return Reply(answer, "WebhookVerificationKeyGetResponse")

    def _sync(self, page: list[tuple[str, dict[str, Any]]], cursor: str, *, more: bool) -> dict[str, Any]:
        by_kind = {kind: [record for one, record in page if one == kind] for kind in ("added", "modified", "removed")}
        touched = {record["account_id"] for _, record in page}
        return by_kind | {
            "accounts": [one for one in self.accounts_now() if one["account_id"] in touched],
            "next_cursor": cursor,
            "has_more": more,
            "request_id": "r-sync",
            "transactions_update_status": self.status,
        }

    def _item(self) -> dict[str, Any]:
        return {
            "item_id": "item-1",
            "institution_id": "ins_109508",
            "institution_name": self.institution_name,
            "webhook": self.webhook,
            "error": self.item_error,
            "available_products": [],
            "billed_products": ["transactions"],
            "consent_expiration_time": "2027-05-01T00:00:00Z",
            "update_type": "background",
        }


_REQUESTS = itertools.count(1)


def error(error_type: str, error_code: str, status: int = 400, **values: Any) -> Reply:
    body = {
        "error_type": error_type,
        "error_code": error_code,
        "error_message": "not for machines; may quote access-canary-1",
        "display_message": None,
        "request_id": f"r-{next(_REQUESTS)}",
    }
    return Reply(body | values, "PlaidError", status)
