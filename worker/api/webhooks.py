"""Routes of webhooks: subscriptions and their secrets, deliveries, and replay."""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AliasChoices, BaseModel, Field, StringConstraints

from worker.api.idempotency import OnlyOnce
from worker.api.inputs import Input, RowId, Text
from worker.api.paging import Limit, Listed, next_id
from worker.api.services import Services, ServicesDep, UserId
from worker.audit import acting_as
from worker.errors import InvalidRequestError
from worker.events import parse_event_id
from worker.models import WebhookSubscription
from worker.webhooks import delivery_queries, replay, subscriptions
from worker.webhooks.delivery_queries import DeliveryFilter
from worker.webhooks.policies import subscription_policy
from worker.webhooks.retry import DeliveryState
from worker.webhooks.subscriptions import DEFAULT_GRACE_S, MAX_GRACE_S, NewSecret, SubscriptionChange, Wanted

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

Url = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://[\x21-\x7e]+$")]
EventFilters = Annotated[
    list[Annotated[str, StringConstraints(max_length=60, pattern=r"^[a-z_.*]+$")]], Field(min_length=1, max_length=50)
]
EventId = Annotated[
    str,
    StringConstraints(pattern=r"^evt_[0-9a-f]{32}$"),
    Field(examples=["evt_0b6c2a548f5e4c399d0e3f1f7f0c9c11"]),
]
EVENT_TYPES_NAMES = AliasChoices("event_types", "events")
"""The field's name, and the one of FinMind's proposal, which is accepted until 0.4."""

RatePerS = Annotated[int, Field(strict=True, ge=1, le=1000)]


class SubscriptionIn(Input):
    """Where to send what. event_types: names, prefixes such as `expense.*`, or `*`."""

    url: Url = Field(examples=["https://hooks.example.com/finmind"])
    event_types: EventFilters = Field(
        default=["*"], validation_alias=EVENT_TYPES_NAMES, examples=[["import.*", "expense.created"]]
    )
    description: Text | None = None
    rate_limit_per_s: RatePerS | None = None


class SubscriptionChangeIn(Input):
    """What to change; what is left out stays."""

    url: Url | None = None
    event_types: EventFilters | None = Field(default=None, validation_alias=EVENT_TYPES_NAMES)
    description: Text | None = None
    rate_limit_per_s: RatePerS | None = None
    status: Literal["active", "paused"] | None = None


class SubscriptionOut(BaseModel):
    """A subscription and how it has been doing; its secret is never shown again."""

    id: uuid.UUID
    url: str
    description: str | None
    event_types: list[str]
    api_version: str
    status: str
    status_code: str | None
    rate_limit_per_s: int | None
    consecutive_failures: int
    last_success_at: datetime | None
    last_failure_at: datetime | None
    created_at: datetime


class SecretOut(BaseModel):
    """A secret, shown this once (null where an `Idempotency-Key` gives the same answer again)."""

    subscription_id: uuid.UUID
    secret: str | None


class RotationIn(Input):
    """How long the old secret goes on signing beside the new one (s); 0 for a secret that leaked."""

    grace_s: int = Field(default=DEFAULT_GRACE_S, strict=True, ge=0, le=MAX_GRACE_S)


class SentTestOut(BaseModel):
    """The event that was written; its delivery follows."""

    event_id: uuid.UUID


class DeliveryOut(BaseModel):
    """One event on its way to one subscription."""

    id: int
    event_id: EventId
    type: str
    subscription_id: uuid.UUID
    state: str
    attempt: int
    replay: int
    code: str | None
    next_attempt_at: datetime | None
    finished_at: datetime | None


class AttemptOut(BaseModel):
    """One attempt of a delivery; without `finished_at` its result is unknown."""

    attempt: int
    started_at: datetime
    finished_at: datetime | None
    code: str | None
    status_code: int | None
    duration_ms: int | None


class ReplayIn(Input):
    """Send one event again, or everything the subscription missed since a moment."""

    event_id: EventId | None = None
    since: datetime | None = None


class ReplayOut(BaseModel):
    """How many deliveries were queued."""

    queued: int


@router.post("", status_code=201, response_model=SecretOut)
def subscribe(wanted: SubscriptionIn, user_id: UserId, services: ServicesDep, only: OnlyOnce) -> Response:
    """Subscribe a URL; the answer holds the secret, this once."""

    def make() -> SecretOut:
        subscription = Wanted(**wanted.model_dump())
        policy = subscription_policy(services.runtime.settings)
        with acting_as(f"api:user:{user_id}"), services.sessions() as session:
            return _secret(
                subscriptions.subscribe(session, services.runtime.vault, user_id, subscription, policy=policy)
            )

    return only.answer(make, status=201, location=_location, hide=frozenset({"secret"}))


@router.get("")
def list_subscriptions(user_id: UserId, services: ServicesDep) -> Listed[SubscriptionOut]:
    """List the caller's subscriptions."""
    with services.sessions() as session:
        return Listed(items=[_shown(row) for row in subscriptions.subscriptions_of(session, user_id)])


@router.get("/deliveries")
def list_deliveries(
    user_id: UserId,
    services: ServicesDep,
    subscription_id: uuid.UUID | None = None,
    state: DeliveryState | None = None,
    limit: Limit = 50,
    after: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before.")] = None,
) -> Listed[DeliveryOut]:
    """List deliveries, newest first; `state=dead` lists the dead letters."""
    wanted = DeliveryFilter(state=state, subscription_id=subscription_id, older_than=after)
    with services.sessions() as session:
        rows = delivery_queries.deliveries(session, user_id, wanted, limit=limit)
    return Listed(items=[DeliveryOut.model_validate(row) for row in rows], next=next_id(rows, limit))


@router.get("/deliveries/{delivery_id}/attempts")
def list_attempts(delivery_id: RowId, user_id: UserId, services: ServicesDep) -> Listed[AttemptOut]:
    """List every attempt of one delivery, oldest first."""
    with services.sessions() as session:
        found = delivery_queries.attempts(session, user_id, delivery_id)
    return Listed(items=[AttemptOut.model_validate(row) for row in found])


@router.get("/{subscription_id:uuid}")
def show_subscription(subscription_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> SubscriptionOut:
    """Show one subscription."""
    return _read(services, user_id, subscription_id)


@router.patch("/{subscription_id:uuid}")
def change_subscription(
    subscription_id: uuid.UUID, change: SubscriptionChangeIn, user_id: UserId, services: ServicesDep
) -> SubscriptionOut:
    """Change a subscription, pause it or go on; its secret and its past deliveries stay."""
    fields = SubscriptionChange(**change.model_dump(exclude={"status"}))
    with services.sessions() as session:
        policy = subscription_policy(services.runtime.settings)
        subscriptions.change(session, user_id, subscription_id, fields, policy=policy)
        if change.status is not None:
            step = subscriptions.pause if change.status == "paused" else subscriptions.resume
            step(session, user_id, subscription_id)
    return _read(services, user_id, subscription_id)


@router.delete("/{subscription_id:uuid}", status_code=204)
def remove_subscription(subscription_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> None:
    """End a subscription; what waits is cancelled."""
    with acting_as(f"api:user:{user_id}"), services.sessions() as session:
        subscriptions.remove(session, services.runtime.vault, user_id, subscription_id)


@router.post("/{subscription_id:uuid}/rotate-secret", response_model=SecretOut)
def rotate_secret(
    subscription_id: uuid.UUID,
    user_id: UserId,
    services: ServicesDep,
    only: OnlyOnce,
    wanted: RotationIn | None = None,
) -> Response:
    """Make a new secret; the old one signs beside it until its grace ends."""
    grace_s = (wanted or RotationIn()).grace_s

    def make() -> SecretOut:
        vault = services.runtime.vault
        with acting_as(f"api:user:{user_id}"), services.sessions() as session:
            return _secret(subscriptions.rotate_secret(session, vault, user_id, subscription_id, grace_s=grace_s))

    return only.answer(make, status=200, location=_location, hide=frozenset({"secret"}))


@router.post("/{subscription_id:uuid}/test", status_code=202)
def send_test(subscription_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> SentTestOut:
    """Send a `webhook.test` event to this subscription alone."""
    with services.sessions() as session:
        return SentTestOut(event_id=subscriptions.send_test(session, user_id, subscription_id))


@router.post("/{subscription_id:uuid}/replay", status_code=202)
def replay_deliveries(
    subscription_id: uuid.UUID, wanted: ReplayIn, user_id: UserId, services: ServicesDep
) -> ReplayOut:
    """Send one event again, or what was missed since a moment; exactly one of the two is named."""
    with services.sessions() as session:
        subscriptions.subscription_of(session, user_id, subscription_id)
        if (wanted.event_id is None) == (wanted.since is None):
            raise InvalidRequestError("name either event_id or since")
        if wanted.event_id is not None:
            replay.replay_event(session, user_id, subscription_id, parse_event_id(wanted.event_id))
            return ReplayOut(queued=1)
        assert wanted.since is not None
        return ReplayOut(queued=replay.replay_since(session, user_id, subscription_id, _aware(wanted.since)))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _secret(made: NewSecret) -> SecretOut:
    return SecretOut(subscription_id=made.subscription_id, secret=made.secret)


def _location(made: SecretOut) -> str:
    return f"/bank-connections/webhooks/{made.subscription_id}"


def _read(services: Services, user_id: int, subscription_id: uuid.UUID) -> SubscriptionOut:
    with services.sessions() as session:
        return _shown(subscriptions.subscription_of(session, user_id, subscription_id))


def _shown(row: WebhookSubscription) -> SubscriptionOut:
    known: dict[str, Any] = {name: getattr(row, name) for name in SubscriptionOut.model_fields}
    return SubscriptionOut.model_validate(known)
