"""Use cases on a subscription: subscribe, change, pause, resume, remove, rotate its secret, test it.

Every function takes the user's id and finds only that user's subscriptions. A secret is returned once, when it is made.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from worker.audit import Action, AuditedCredential
from worker.audit import record as audit
from worker.credentials import SealedValue, Vault
from worker.errors import ConflictError, InvalidRequestError, NotFoundError
from worker.events import API_VERSION
from worker.models import User, WebhookDelivery, WebhookEvent, WebhookSubscription
from worker.webhooks.filters import check_filters
from worker.webhooks.keyring import Keyring, open_keyring, place, seal_keyring
from worker.webhooks.retry import DeliveryState
from worker.webhooks.signing import make_secret
from worker.webhooks.target import EgressPolicy, parse_target

MAX_GRACE_S = 7 * 24 * 3600
DEFAULT_GRACE_S = 24 * 3600
MAX_DESCRIPTION_CHARS = 500
MADE_A_DAY = 5
"""So many times the subscriptions that a user may have can be made in a day: removed ones leave rows that stay."""

_TABLE = "webhook_subscriptions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The values of a new subscription.

    Attributes:
        event_types: Filters: `*`, a prefix such as `expense.*`, or names of types.
        rate_limit_per_s: Deliveries per second; None takes the default.
    """

    url: str
    event_types: Sequence[str] = ("*",)
    description: str | None = None
    rate_limit_per_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChange:
    """What to change of a subscription; None leaves a field as it is."""

    url: str | None = None
    event_types: Sequence[str] | None = None
    description: str | None = None
    rate_limit_per_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A new signing secret, which is shown only once."""

    subscription_id: uuid.UUID
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPolicy:
    """What a subscription may be.

    Attributes:
        egress: Where webhooks may go.
        max_per_user: Most subscriptions of one user that are not removed.
    """

    egress: EgressPolicy
    max_per_user: int = 20


def subscribe(session: Session, vault: Vault, user_id: int, wanted: Wanted, *, policy: SubscriptionPolicy) -> NewSecret:
    """Make a subscription and return its secret, which is not shown again.

    Raises: RefusedTargetError, InvalidRequestError, NotFoundError (no such user), ConflictError (too many).
    """
    _check(wanted.url, wanted.description, wanted.rate_limit_per_s, policy.egress)
    filters = check_filters(wanted.event_types, API_VERSION)
    _check_room(session, user_id, policy.max_per_user)
    subscription_id, secret = uuid.uuid4(), make_secret()
    sealed = seal_keyring(vault, Keyring(current=secret), place(user_id, subscription_id, 1))
    session.add(
        WebhookSubscription(
            id=subscription_id,
            user_id=user_id,
            url=wanted.url,
            description=wanted.description,
            event_types=filters,
            api_version=API_VERSION,
            rate_limit_per_s=wanted.rate_limit_per_s,
            secret_encrypted=sealed.blob,
            secret_key_id=sealed.key_id,
        )
    )
    session.flush()
    audit(session, Action.SEALED, _subject(subscription_id, user_id, sealed))
    return NewSecret(subscription_id=subscription_id, secret=secret)


def subscriptions_of(session: Session, user_id: int) -> Sequence[WebhookSubscription]:
    """Return a user's subscriptions, oldest first, without the removed ones."""
    return session.scalars(
        select(WebhookSubscription)
        .where(WebhookSubscription.user_id == user_id, WebhookSubscription.status != "removed")
        .order_by(WebhookSubscription.created_at, WebhookSubscription.id)
    ).all()


def all_subscriptions(session: Session) -> Sequence[WebhookSubscription]:
    """Return everybody's subscriptions, for an operator; without the removed ones."""
    live = select(WebhookSubscription).where(WebhookSubscription.status != "removed")
    return session.scalars(live.order_by(WebhookSubscription.user_id, WebhookSubscription.created_at)).all()


def owner_of(session: Session, subscription_id: uuid.UUID) -> int:
    """Return whose subscription it is, for an operator who has only its id. Raises: NotFoundError."""
    row = session.get(WebhookSubscription, subscription_id)
    if row is None:
        raise NotFoundError(f"there is no subscription {subscription_id}")
    return row.user_id


def subscription_of(
    session: Session, user_id: int, subscription_id: uuid.UUID, *, locked: bool = False
) -> WebhookSubscription:
    """Return one of a user's subscriptions. Raises: NotFoundError."""
    question = select(WebhookSubscription).where(
        WebhookSubscription.id == subscription_id,
        WebhookSubscription.user_id == user_id,
        WebhookSubscription.status != "removed",
    )
    found = session.scalars(question.with_for_update(key_share=True) if locked else question).one_or_none()
    if found is None:
        raise NotFoundError(f"user {user_id} has no subscription {subscription_id}")
    return found


def change(
    session: Session,
    user_id: int,
    subscription_id: uuid.UUID,
    wanted: SubscriptionChange,
    *,
    policy: SubscriptionPolicy,
) -> WebhookSubscription:
    """Change a subscription; its secret and its past deliveries stay. Raises: NotFoundError, InvalidRequestError."""
    row = subscription_of(session, user_id, subscription_id, locked=True)
    url = wanted.url or row.url
    _check(url, wanted.description, wanted.rate_limit_per_s, policy.egress)
    if wanted.event_types is not None:
        row.event_types = check_filters(wanted.event_types, row.api_version)
    row.url = url
    row.description = row.description if wanted.description is None else wanted.description
    row.rate_limit_per_s = wanted.rate_limit_per_s or row.rate_limit_per_s
    row.updated_at = func.now()
    session.flush()
    return row


def pause(session: Session, user_id: int, subscription_id: uuid.UUID) -> None:
    """Hold deliveries back; new events still queue up. Raises: NotFoundError, ConflictError when it is disabled."""
    row = subscription_of(session, user_id, subscription_id, locked=True)
    if row.status == "disabled":
        raise ConflictError(f"subscription {subscription_id} is disabled")
    row.status, row.status_code, row.updated_at = "paused", "by_user", func.now()


def resume(session: Session, user_id: int, subscription_id: uuid.UUID) -> None:
    """Deliver again after a pause or after being disabled; past failures are forgotten. Raises: NotFoundError."""
    row = subscription_of(session, user_id, subscription_id, locked=True)
    row.status, row.status_code, row.updated_at = "active", None, func.now()
    row.consecutive_failures = row.breaker_trips = 0
    row.first_failure_at = row.breaker_until = None


def remove(session: Session, vault: Vault, user_id: int, subscription_id: uuid.UUID) -> None:
    """Remove a subscription: cancel what waits, and replace its secret with one that nobody knows.

    Raises: NotFoundError.
    """
    row = subscription_of(session, user_id, subscription_id, locked=True)
    row.status, row.status_code = "removed", "by_user"
    _seal(session, vault, row, Keyring(current=make_secret()))
    session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.subscription_id == subscription_id, WebhookDelivery.state == DeliveryState.PENDING)
        .values(state=DeliveryState.CANCELLED, finished_at=func.now(), last_code="subscription_removed")
    )
    audit(session, Action.REMOVED, AuditedCredential(table=_TABLE, row_id=str(subscription_id), user_id=user_id))


def rotate_secret(
    session: Session, vault: Vault, user_id: int, subscription_id: uuid.UUID, *, grace_s: float = DEFAULT_GRACE_S
) -> NewSecret:
    """Make a new secret and return it once; the old one also signs for another `grace_s` (0 to 7 days).

    At most two old secrets are kept. Use 0 for a secret that leaked.
    Raises: NotFoundError, InvalidRequestError, CredentialError.
    """
    if not 0 <= grace_s <= MAX_GRACE_S:
        raise InvalidRequestError("the grace is 0 to 7 days")
    row = subscription_of(session, user_id, subscription_id, locked=True)
    now: datetime = session.execute(select(func.now())).scalar_one()
    secret = make_secret()
    held = open_keyring(vault, row.secret_encrypted, place(user_id, subscription_id, row.secret_version))
    sealed = _seal(session, vault, row, held.rotated(secret, now=now, grace_ends_at=now + timedelta(seconds=grace_s)))
    audit(session, Action.REPLACED, _subject(subscription_id, user_id, sealed), reason="rotated")
    return NewSecret(subscription_id=subscription_id, secret=secret)


def send_test(session: Session, user_id: int, subscription_id: uuid.UUID) -> uuid.UUID:
    """Write a `webhook.test` event for this subscription only and return its id. Raises: NotFoundError."""
    row = subscription_of(session, user_id, subscription_id)
    if row.status != "active":
        raise ConflictError(f"subscription {subscription_id} is {row.status}")
    event = WebhookEvent(
        id=uuid.uuid4(),
        user_id=user_id,
        subscription_id=subscription_id,
        type="webhook.test",
        api_version=row.api_version,
        data={"subscription_id": str(subscription_id), "message": "It works."},
    )
    session.add(event)
    session.flush()
    return event.id


def _check(url: str, description: str | None, rate_limit_per_s: int | None, egress: EgressPolicy) -> None:
    parse_target(url, egress)
    if description is not None and len(description) > MAX_DESCRIPTION_CHARS:
        raise InvalidRequestError(f"a description has at most {MAX_DESCRIPTION_CHARS} characters")
    if rate_limit_per_s is not None and rate_limit_per_s < 1:
        raise InvalidRequestError("the rate limit is at least one delivery a second")


def _check_room(session: Session, user_id: int, max_per_user: int) -> None:
    """Raise when the user has too many subscriptions. Locks the user's row, so that two requests cannot both pass."""
    if session.scalars(select(User.id).where(User.id == user_id).with_for_update()).one_or_none() is None:
        raise NotFoundError(f"there is no user {user_id}")
    if len(subscriptions_of(session, user_id)) >= max_per_user:
        raise ConflictError(f"user {user_id} has {max_per_user} subscriptions already; remove one first")
    made = select(func.count()).where(
        WebhookSubscription.user_id == user_id, WebhookSubscription.created_at > func.now() - timedelta(days=1)
    )
    if (session.scalar(made) or 0) >= MADE_A_DAY * max_per_user:
        raise ConflictError(f"user {user_id} made {MADE_A_DAY * max_per_user} subscriptions within a day")


def _seal(session: Session, vault: Vault, row: WebhookSubscription, keyring: Keyring) -> SealedValue:
    version = row.secret_version + 1
    sealed = seal_keyring(vault, keyring, place(row.user_id, row.id, version))
    row.secret_encrypted, row.secret_key_id, row.secret_version = sealed.blob, sealed.key_id, version
    row.secret_sealed_at = row.updated_at = func.now()
    session.flush()
    return sealed


def _subject(subscription_id: uuid.UUID, user_id: int, sealed: SealedValue) -> AuditedCredential:
    return AuditedCredential(table=_TABLE, row_id=str(subscription_id), user_id=user_id, key_id=sealed.key_id)
