"""A small GoCardless: tokens that end, requisitions, two lists per account, four reads a day and the odd headers."""

import uuid
from collections import Counter
from typing import Any

from tests.fakes.provider_server import Asked, FakeProvider, Reply
from tests.fakes.published import GOCARDLESS

SECRET_ID, SECRET_KEY = "secret-id-1", "canary-gocardless-key"
IBAN = "PL61109010140000071219812874"
API = "/api/v2"
_HEADERS = "HTTP_X_RATELIMIT_ACCOUNT_SUCCESS_"


def transaction(amount: str, **values: Any) -> dict[str, Any]:
    """GoCardless's record of one entry; negative = money out."""
    return {
        "transactionAmount": {"amount": amount, "currency": "EUR"},
        "bookingDate": "2026-11-10",
        "valueDate": "2026-11-11",
        "creditorName": "Corner Shop",
        "creditorAccount": {"iban": "FI1410093000123458"},
        "remittanceInformationUnstructured": "Groceries",
    } | values


class FakeGoCardless(FakeProvider):
    """What a bank does is switched on by name.

    allowance: reads of each kind of data left per account. reset_s: what the headers say about when it is back.
    booked, pending: the two lists; None leaves one out. processing: reads that come too early and answer 409.
    revoked_after: so many reads of transactions succeed, then the person takes the consent back.
    refused_ids: accounts whose access has expired though the requisition is linked. bank_errors: reads the bank fails.
    """

    published = GOCARDLESS

    def __init__(self) -> None:
        super().__init__()
        self.requisition_id = str(uuid.uuid4())
        self.agreement_id = str(uuid.uuid4())
        self.account_ids = [str(uuid.uuid4())]
        self._ibans = {self.account_ids[0]: IBAN}
        self.status = "LN"
        self.booked: list[dict[str, Any]] | None = []
        self.pending: list[dict[str, Any]] | None = []
        self.allowance = 4
        self.reset_s = 80_000
        self.processing = 0
        self.bank_errors = 0
        self.refused_ids: set[str] = set()
        self.revoked_after: int | None = None
        self.tokens: set[str] = set()
        self.refresh_tokens: set[str] = set()
        self.made = Counter[str]()
        self.created: list[dict[str, Any]] = []
        self._used = Counter[tuple[str, str]]()

    def fail(self, path: str, status: int, summary: str = "", detail: str = "", kind: str | None = None) -> None:
        self.broken.setdefault(API + path, []).append(refusal(status, summary, detail, kind))

    def fail_as_published(self, path: str, status: int, example: str, template: str = "") -> None:
        """Answer with an error exactly as the description shows it."""
        operation = self.published.document["paths"][API + (template or "/accounts/{id}/transactions/")]["get"]
        body = operation["responses"][str(status)]["content"]["application/json"]["examples"][example]["value"]
        self.broken.setdefault(API + path, []).append(Reply(body, None, status))

    def transactions_path(self) -> str:
        return f"/accounts/{self.account_ids[0]}/transactions/"

    def answer(self, asked: Asked) -> Reply:
        path = asked.path.removeprefix(API)
        if not path.endswith("/"):
            return Reply({"detail": "Not found."}, None, 404)
        if path.startswith("/token/"):
            return self._token(path, asked.body)
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return refusal(401, "Invalid token", "Token is invalid or expired")
        return self._routed(asked, path.strip("/").split("/"))

    def _routed(self, asked: Asked, parts: list[str]) -> Reply:
        match parts:
            case ["requisitions", *rest]:
                return self._requisitions(asked, rest)
            case ["agreements", "enduser", *_]:
                return self._agreement(asked)
            case ["institutions"]:
                assert len(asked.query["country"]) == 2
                return Reply([institution("NORDEA_NDEAFIHH")], None)
            case ["institutions", institution_id]:
                return Reply(institution(institution_id), "IntegrationRetrieve")
            case ["accounts", account_id, *kind] if account_id in self.account_ids:
                return self._account(asked, account_id, *kind)
        return refusal(404, "Account ID $ACC_ID not found", "Please check whether you specified a valid Account ID")

    def _token(self, path: str, body: dict[str, Any]) -> Reply:
        self.made[path] += 1
        access, refresh = f"access-{sum(self.made.values())}", f"refresh-{self.made[path]}"
        if path == "/token/refresh/":
            if body["refresh"] not in self.refresh_tokens:
                return refusal(401, "Invalid token", "Token is invalid or expired")
            self.tokens.add(access)
            return Reply({"access": access, "access_expires": 86_400}, "SpectacularJWTRefresh")
        if (body["secret_id"], body["secret_key"]) != (SECRET_ID, SECRET_KEY):
            return refusal(401, "Authentication failed", "No active account found with the given credentials")
        self.tokens.add(access)
        self.refresh_tokens.add(refresh)
        answer = {"access": access, "access_expires": 86_400, "refresh": refresh, "refresh_expires": 2_592_000}
        return Reply(answer, "SpectacularJWTObtain")

    def _requisitions(self, asked: Asked, rest: list[str]) -> Reply:
        if asked.method == "POST":
            self.created.append(asked.body)
            self.requisition_id = str(uuid.uuid4())
            answer = self._requisition() | {"reference": asked.body["reference"], "accounts": [], "status": "CR"}
            return Reply(answer, "SpectacularRequisition", 201)
        if rest != [self.requisition_id]:
            return refusal(404, "Not found.", "Not found.")
        if asked.method == "DELETE":
            self.status = "EX"
            return Reply({"summary": "Requisition deleted", "detail": "all of it"}, "SuccessfulDeleteResponse")
        return Reply(self._requisition(), "Requisition")

    def _requisition(self) -> dict[str, Any]:
        return {
            "id": self.requisition_id,
            "created": "2026-11-01T09:00:00Z",
            "redirect": "https://finmind.test/linked",
            "status": self.status,
            "institution_id": "NORDEA_NDEAFIHH",
            "agreement": self.agreement_id,
            "reference": self.created[-1]["reference"] if self.created else "r",
            "accounts": self.account_ids,
            "link": "https://ob.gocardless.com/psd2/start/1",
        }

    def _agreement(self, asked: Asked) -> Reply:
        answer = {
            "id": self.agreement_id,
            "created": "2026-11-01T09:00:00Z",
            "institution_id": "NORDEA_NDEAFIHH",
            "max_historical_days": 90,
            "access_valid_for_days": 90,
            "access_scope": ["balances", "details", "transactions"],
            "accepted": "2026-11-01T09:05:00Z",
        }
        if asked.method == "POST":
            self.created.append(asked.body)
            return Reply(answer | asked.body | {"accepted": None}, "EndUserAgreement", 201)
        return Reply(answer, "EndUserAgreement")

    def _account(self, asked: Asked, account_id: str, kind: str = "") -> Reply:
        if not kind:
            answer = {
                "id": account_id,
                "iban": self.iban_of(account_id),
                "institution_id": "NORDEA_NDEAFIHH",
                "status": "READY",
            }
            return Reply(answer, "Account")
        if kind == "transactions" and (refused := self._refused(account_id)) is not None:
            return refused
        self._used[account_id, kind] += 1
        left = self.allowance - self._used[account_id, kind]
        headers = {
            f"{_HEADERS}LIMIT": str(self.allowance),
            f"{_HEADERS}REMAINING": str(max(left, 0)),
            f"{_HEADERS}RESET": str(self.reset_s),
        }
        if left < 0:
            detail = f"The rate limit for this resource is 4/day. Please try again in {self.reset_s} seconds"
            return Reply(refusal(429, "Rate limit exceeded", detail).body, "ErrorResponse", 429, headers)
        body, schema = self.data(account_id, kind, asked.query)
        return Reply(body, schema, headers=headers)

    def _refused(self, account_id: str) -> Reply | None:
        cannot = "Couldn't update account transactions"
        if self.revoked_after == 0:
            self.status, self.refused_ids, self.revoked_after = "EX", set(self.account_ids), None
        elif self.revoked_after is not None:
            self.revoked_after -= 1
        if account_id in self.refused_ids:
            return refusal(401, cannot, "Access has expired or it has been revoked.", "AccessExpiredError")
        if self.processing > 0:
            self.processing -= 1
            detail = "Your account data is currently being processed. Please try again shortly"
            return refusal(409, "Account is Processing", detail)
        if self.bank_errors > 0:
            self.bank_errors -= 1
            return refusal(500, cannot, "Request to Institution returned an error", "UnknownRequestError")
        return None

    def iban_of(self, account_id: str) -> str:
        return self._ibans.get(account_id, f"XX{account_id[:8]}")

    def data(self, account_id: str, kind: str, _query: Any) -> tuple[dict[str, Any], str]:
        if kind == "details":
            names = {
                "iban": self.iban_of(account_id),
                "currency": "EUR",
                "ownerName": "ADA EXAMPLE",
                "product": "Everyday",
            }
            return {"account": names | {"cashAccountType": "CACC"}}, "AccountDetail"
        if kind == "balances":
            kinds = {"closingBooked": "100.00", "interimBooked": "93.50", "interimAvailable": "90.00"}
            return {
                "balances": [
                    {"balanceAmount": {"amount": amount, "currency": "EUR"}, "balanceType": name}
                    for name, amount in kinds.items()
                ]
            }, "AccountBalance"
        both = {"booked": self.booked, "pending": self.pending}
        lists = {name: rows for name, rows in both.items() if rows is not None}
        return {"transactions": lists, "last_updated": "2026-11-20T10:00:00Z"}, "AccountTransactions"


def institution(institution_id: str) -> dict[str, Any]:
    return {
        "id": institution_id,
        "name": "Nordea",
        "bic": "NDEAFIHH",
        "transaction_total_days": "540",
        "max_access_valid_for_days": "180",
        "countries": ["FI"],
        "logo": "https://example.test/logo.png",
        "supported_features": [],
        "identification_codes": [],
    }


def refusal(status: int, summary: str, detail: str, kind: str | None = None) -> Reply:
    body: dict[str, Any] = {"summary": summary, "detail": detail, "status_code": status}
    return Reply(body | ({"type": kind} if kind else {}), "ErrorResponse", status)
