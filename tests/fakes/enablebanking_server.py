"""A small Enable Banking: sessions, accounts whose ids live as long, continuation keys, a daily allowance."""

import uuid
from datetime import date, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.provider_server import NOW, Asked, FakeProvider, Reply
from tests.fakes.published import ENABLE_BANKING

APPLICATION = "cf589be3-3755-465b-a8df-a90a16a31403"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_KEY = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
HASH = "uJVYMMDh5UHkDBJaNPpXJKBZdVDWVaIHYJQRSlyvqqE="


def transaction(amount: str, indicator: str, **values: Any) -> dict[str, Any]:
    """Enable Banking's record of one entry."""
    return {
        "entry_reference": None,
        "transaction_amount": {"currency": "EUR", "amount": amount},
        "credit_debit_indicator": indicator,
        "status": "BOOK",
        "booking_date": "2026-11-10",
        "value_date": "2026-11-11",
        "remittance_information": ["Groceries"],
        "creditor": {"name": "Corner Shop"},
        "creditor_account": {"iban": "FI1410093000123458"},
    } | values


def without_nulls(record: Any) -> Any:
    """The description has no nulls where the live service sends them; absent says the same."""
    if isinstance(record, dict):
        return {name: without_nulls(value) for name, value in record.items() if value is not None}
    return [without_nulls(one) for one in record] if isinstance(record, list) else record


class FakeEnableBanking(FakeProvider):
    """What the bank does is switched on by name.

    pages: what one read of an account gives, page by page. allowance: transaction reads left today.
    oldest_days: the longest period the bank gives (days); says_oldest: its refusal names the first day it would give.
    repeat_key: the second page's key comes again and again.
    repeat_last_key: the last page has a key that leads to the same page and the same key.
    refuses_date_to: a request that names its last day is refused, in words that do not say so.
    wants_key_alone: a following page that repeats the first one's parameters is refused.
    refuses_pages_from: this page and those behind it are refused, with that error.
    user_types: whom the bank serves.
    closed_after: so many reads of transactions succeed, then the person ends the session.
    """

    published = ENABLE_BANKING

    def __init__(self) -> None:
        super().__init__()
        self.session_id = str(uuid.uuid4())
        self.status = "AUTHORIZED"
        self.uids = [str(uuid.uuid4())]
        self.pages: list[list[dict[str, Any]]] = [[]]
        self.balances = [balance("100.00", "CLBD"), balance("93.50", "ITBD"), balance("90.00", "ITAV")]
        self.oldest_days: int | None = None
        self.says_oldest = False
        self.repeat_key = False
        self.repeat_last_key = False
        self.refuses_date_to = False
        self.wants_key_alone = False
        self.refuses_pages_from: tuple[int, str, int] | None = None
        self.stated_to = True
        self._first: dict[str, Any] = {}
        self.allowance: int | None = None
        self.codes = ["code-1"]
        self.now = NOW
        self.user_types = ["personal"]
        self.closed_after: int | None = None

    def fail(self, path: str, error: str | None, status: int = 400, message: str = "refused") -> None:
        self.broken.setdefault(path, []).append(refusal(error, status, message))

    def transactions_path(self) -> str:
        return f"/accounts/{self.uids[0]}/transactions"

    def answer(self, asked: Asked) -> Reply:
        if not self._signed(asked.headers.get("authorization", "")):
            return refusal("UNAUTHORIZED_ACCESS", 401, "the token is not ours")
        assert not any(name.startswith("psu-") for name in asked.headers), "nobody is present"
        match asked.path.strip("/").split("/"):
            case ["aspsps"]:
                return Reply(
                    {"aspsps": [bank(asked.query["country"]) | {"psu_types": self.user_types}]}, "GetAspspsResponse"
                )
            case ["auth"]:
                return self._start(asked.body)
            case ["sessions", *rest]:
                return self._sessions(asked, rest)
            case ["accounts", uid, kind] if uid in self.uids:
                return self._account(uid, kind, asked.query)
        return refusal("ACCOUNT_DOES_NOT_EXIST", 404, "no such account")

    def _sessions(self, asked: Asked, rest: list[str]) -> Reply:
        if not rest:
            return self._open(asked.body["code"])
        if rest != [self.session_id]:
            return refusal("SESSION_DOES_NOT_EXIST", 404, "no such session")
        if asked.method == "GET":
            return Reply(self._session(), "GetSessionResponse")
        self.status = "CLOSED"
        return Reply({"message": "OK"}, "SuccessResponse")

    def _signed(self, authorization: str) -> bool:
        token = authorization.removeprefix("Bearer ")
        try:
            claims = jwt.decode(
                token,
                _KEY.public_key(),
                algorithms=["RS256"],
                audience="api.enablebanking.com",
                issuer="enablebanking.com",
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            return False
        lives_s = claims["exp"] - claims["iat"]
        known = jwt.get_unverified_header(token)["kid"] == APPLICATION
        return known and 0 < lives_s <= 86_400 and claims["iat"] <= self.now.timestamp() < claims["exp"]

    def _start(self, body: dict[str, Any]) -> Reply:
        assert body["state"]
        answer = {
            "url": "https://tilisy.enablebanking.com/welcome?sessionid=1",
            "authorization_id": str(uuid.uuid4()),
            "psu_id_hash": "h",
        }
        return Reply(answer, "StartAuthorizationResponse")

    def _open(self, code: str) -> Reply:
        if code not in self.codes:
            return refusal("WRONG_AUTHORIZATION_CODE", 422, "the code was used")
        self.codes.remove(code)
        self.session_id, self.status = str(uuid.uuid4()), "AUTHORIZED"
        self.uids = [str(uuid.uuid4()) for _ in self.uids]
        answer = {
            "session_id": self.session_id,
            "accounts": [self.details_of(uid) | {"uid": uid} for uid in self.uids],
            "aspsp": {"name": "Nordea", "country": "FI"},
            "psu_type": "personal",
            "access": {"valid_until": "2027-05-01T00:00:00+00:00"},
        }
        return Reply(answer, "AuthorizeSessionResponse")

    def _session(self) -> dict[str, Any]:
        accounts = [
            {"uid": uid, "identification_hash": self._hash(uid), "identification_hashes": []} for uid in self.uids
        ]
        return {
            "status": self.status,
            "accounts": self.uids,
            "accounts_data": accounts,
            "aspsp": {"name": "Nordea", "country": "FI"},
            "psu_type": "personal",
            "psu_id_hash": "h",
            "access": {"valid_until": "2027-05-01T00:00:00+00:00"},
            "created": "2026-11-01T00:00:00+00:00",
        }

    def _account(self, uid: str, kind: str, query: Any) -> Reply:
        if kind == "transactions" and self.closed_after is not None:
            self.closed_after -= 1
            if self.closed_after < 0:
                self.status, self.closed_after = "REVOKED", None
        if self.status != "AUTHORIZED":
            return refusal(f"{self.status}_SESSION", 401, "the session is over")
        match kind:
            case "details":
                return Reply(self.details_of(uid), "AccountResource")
            case "balances":
                return Reply({"balances": self.balances_of(uid)}, "HalBalances")
        return self._transactions(uid, query)

    def balances_of(self, _uid: str) -> list[dict[str, Any]]:
        return self.balances

    def pages_of(self, _uid: str, _query: Any) -> list[list[dict[str, Any]]]:
        return self.pages

    def _transactions(self, uid: str, query: Any) -> Reply:
        key = query.get("continuation_key")
        if key and self.wants_key_alone and len(query) > 1:
            return refusal("WRONG_REQUEST_PARAMETERS", 422, "PARAMETER_NOT_SUPPORTED")
        self.stated_to = "date_to" in query
        if not key:
            self._first = {"date_to": self.now.date().isoformat()} | dict(query)
        query = self._first | query
        if key is None and self.allowance is not None:
            if self.allowance == 0:
                return refusal("ASPSP_RATE_LIMIT_EXCEEDED", 429, "[HUB046] Allowed number of accesses exceeded")
            self.allowance -= 1
        return self._refused(query, key) or self._transactions_page(uid, query, key)

    def _refused(self, query: Any, key: str | None) -> Reply | None:
        oldest_on = date.fromisoformat(query["date_to"]) - timedelta(days=self.oldest_days or 0)
        if self.oldest_days is not None and date.fromisoformat(query["date_from"]) < oldest_on:
            detail = f"{{'date_from': '{oldest_on}'}}" if self.says_oldest else ""
            reply = refusal("WRONG_TRANSACTIONS_PERIOD", 422, "too far back")
            return Reply(reply.body | {"detail": detail}, reply.schema, reply.status)
        if self.refuses_date_to and key is None and self.stated_to:
            return refusal("ASPSP_ERROR", 400, "Error interacting with ASPSP")
        if self.refuses_pages_from is not None and key and int(key[4:]) >= self.refuses_pages_from[0]:
            return refusal(*self.refuses_pages_from[1:], "refused")
        return None

    def _transactions_page(self, uid: str, query: Any, key: str | None) -> Reply:
        pages = self.pages_of(uid, query)
        place = len(pages) - 1 if key == "key-last" else int(key.removeprefix("key-")) if key else 0
        answer: dict[str, Any] = {"transactions": [without_nulls(one) for one in pages[place]]}
        if self.repeat_key and place == 1:
            answer["continuation_key"] = "key-1"
        elif place + 1 < len(pages):
            answer["continuation_key"] = f"key-{place + 1}"
        elif self.repeat_last_key:
            answer["continuation_key"] = "key-last"
        return Reply(answer, "HalTransactions")

    def _hash(self, uid: str) -> str:
        return f"{HASH}{self.uids.index(uid)}"

    def details_of(self, uid: str) -> dict[str, Any]:
        return {
            "account_id": {"iban": "FI2112345600000785"},
            "name": "Ada Example",
            "details": "Everyday",
            "cash_account_type": "CACC",
            "currency": "EUR",
            "identification_hash": self._hash(uid),
            "identification_hashes": [self._hash(uid)],
        }


def bank(country: str) -> dict[str, Any]:
    return {
        "name": "Nordea",
        "country": country,
        "logo": "https://example.test/logo.png",
        "psu_types": ["personal"],
        "auth_methods": [],
        "maximum_consent_validity": 15_552_000,
        "beta": False,
    }


def balance(amount: str, kind: str, **values: Any) -> dict[str, Any]:
    return {"name": kind, "balance_amount": {"currency": "EUR", "amount": amount}, "balance_type": kind} | values


def refusal(error: str | None, status: int, message: str) -> Reply:
    body: dict[str, Any] = {"message": message, "code": status}
    return Reply(body | ({"error": error} if error else {}), "ErrorResponse", status)
