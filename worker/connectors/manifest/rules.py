"""What a manifest says about promises, limits, errors, webhooks and samples."""

import json
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from worker.connectors.base import IdClass, Scope
from worker.connectors.manifest.login import Texts
from worker.connectors.manifest.values import Conditions, ManifestPart, Path, StatedAccount, StatedRow

Means = Literal[
    "login_expired",
    "revoked",
    "wrong_login",
    "action_required",
    "operator",
    "unpaid",
    "account_gone",
    "bank_down",
    "provider_down",
    "too_fast",
    "allowance_spent",
    "start_over",
    "cursor_forgotten",
    "defect",
    "nothing",
]
"""What a provider's own error means; docs/manifest.md says what each one does."""


class Promises(ManifestPart):
    """What the provider promises; promise less when in doubt."""

    ids: IdClass = Field(description="How far its ids can be trusted: see docs/connectors.md.")
    history_days: int | None = Field(default=None, ge=1, description="How far back it goes.")
    window_days: int | None = Field(default=None, ge=1, description="Longest window of one request, in days.")
    scope: Scope = Field(default=Scope.ACCOUNT, description="`account`: one request each; `connection`: one for all.")
    windows_complete: bool = Field(default=False, description="A row missing from a window is gone at the bank.")
    currencies: tuple[str, ...] = Field(default=(), description="The only currencies of its accounts.")


class BurstLimit(ManifestPart):
    """At most so many calls in so many seconds, for all connections together."""

    calls: int = Field(ge=1)
    per_s: float = Field(gt=0)


class AllowanceLimit(ManifestPart):
    """At most so many calls of one request in a longer time."""

    request: str = Field(description="Name of the request.")
    calls: int = Field(ge=1)
    window_s: int = Field(ge=1)
    scope: Scope = Field(default=Scope.CONNECTION, description="Counted for each `connection` or each `account`.")
    reserve: int = Field(default=0, ge=0, description="Calls that are left for a person who asks.")


class LimitHeaders(ManifestPart):
    """Headers that tell how much of an allowance is left."""

    limit: str | None = None
    remaining: str | None = None
    resets_in_s: str | None = Field(default=None, description="Header with the seconds until it is full again.")


class Limits(ManifestPart):
    """How often the provider may be asked."""

    burst: BurstLimit | None = None
    allowances: tuple[AllowanceLimit, ...] = ()
    headers: LimitHeaders | None = None


class ErrorRule(ManifestPart):
    """One of the provider's own errors: what all stated marks hold for means `means`. The first that fits counts."""

    status: tuple[int, ...] = Field(default=(), description="Any of these; default: any status, also a good one.")
    when: Conditions = Field(default_factory=dict, description="Places in the answer with their values.")
    text: str | None = Field(default=None, description="Words in the answer, whatever their case.")
    of: tuple[str, ...] = Field(default=(), description="Only answers to requests of these names.")
    means: Means = Field(description="What it means.")
    retry_after: Path | None = Field(default=None, description="Where the answer holds the seconds to wait.")

    @model_validator(mode="after")
    def _has_a_mark(self) -> Self:
        if not (self.status or self.when or self.text):
            raise ValueError("say status, when or text")
        if self.means == "nothing" and not (self.of and (self.when or self.text)):
            raise ValueError("an error that means nothing hides rows: say of which requests, and by when or text")
        return self


class WebhookSignature(ManifestPart):
    """How a webhook proves where it comes from."""

    kind: Literal["hmac_sha256", "hmac_sha512", "hmac_sha1", "shared_secret", "rsa_sha256"]
    header: str = Field(description="Header that holds it.")
    secret: str = Field(description="`{field}`: the shared secret, or the public key (PEM) of rsa_sha256.")
    encoding: Literal["hex", "base64"] = Field(default="hex", description="How the signature is written.")
    signed: Literal["body", "timestamp.body"] = Field(default="body", description="What is signed.")
    signature_key: str | None = Field(default=None, description="For headers like `t=1,v1=…`: key of the signature.")
    timestamp_key: str | None = Field(default=None, description="For headers like `t=1,v1=…`: key of the time.")
    timestamp_header: str | None = Field(default=None, description="Header with the time (unix seconds).")
    max_age_s: int = Field(default=300, ge=1, description="Older ones are refused, where the time is signed.")


class Webhook(ManifestPart):
    """What the provider tells by itself: who says so, which event it is, and what it asks for."""

    signature: WebhookSignature
    event: Path = Field(description="Where the body names the event.")
    id: Path | None = Field(default=None, description="Where the body names the delivery itself, once for all times.")
    connection: Path = Field(description="Where the body names the login.")
    connection_field: str = Field(description="The config field with the same value.")
    account: Path | None = Field(default=None, description="Where the body names the account.")
    refresh: tuple[str, ...] = Field(description="Events that ask for a refresh.")
    needs_user: tuple[str, ...] = Field(default=(), description="Events after which the user has to log in anew.")


def _json(text: str) -> str:
    try:
        json.loads(text)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    return text


class Sample(ManifestPart):
    """An answer from the provider's documentation, with what it means."""

    of: str = Field(description="Name of the request; `token` for the token request; `webhook`.")
    answer: Annotated[str, AfterValidator(_json)] = Field(description="The body, as JSON.")
    status: int = Field(default=200)
    headers: Texts = Field(default_factory=dict)
    rows: tuple[StatedRow, ...] = Field(default=(), description="What its transactions mean, in their order.")
    accounts: tuple[StatedAccount, ...] = Field(default=(), description="What its accounts mean, in their order.")
    next: bool | str | int | None = Field(
        default=None,
        description="What in it leads to the next page: token, link, or total; `true` for a flag; none: the last page.",
    )
    asked: str | None = Field(
        default=None, description="The request that it answers: its address, or its JSON body, as documented."
    )
    days: tuple[date, date] | None = Field(
        default=None, description="With `asked`: first and last day that it asks for, both included."
    )
    means: Means | None = Field(default=None, description="For errors: what it means.")

    @model_validator(mode="after")
    def _says_its_days(self) -> Self:
        if (self.asked is None) != (self.days is None):
            raise ValueError("asked and days belong together: the documented request, and the days it asks for")
        if self.asked is not None and self.asked.lstrip().startswith("{"):
            _json(self.asked)
        if self.days is not None and self.days[0] > self.days[1]:
            raise ValueError("days are the first and the last one, in this order")
        return self
