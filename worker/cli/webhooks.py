"""`finmind-worker webhooks`: manages subscriptions, shows deliveries and sends them again."""

import uuid
from typing import Annotated, Any

import typer

from worker.cli.arguments import read_interval, read_moment
from worker.cli.database import database
from worker.cli.environment import settings
from worker.cli.ids import SubscriptionId, read_subscription_id
from worker.cli.output import JsonFlag, print_record, print_result, print_rows, say
from worker.cli.workspace import workspace
from worker.errors import InvalidRequestError
from worker.events import API_VERSION, event_id, event_types, parse_event_id
from worker.models import WebhookSubscription
from worker.webhooks import delivery_queries, replay, subscriptions
from worker.webhooks.delivery_queries import DeliveryFilter
from worker.webhooks.policies import subscription_policy
from worker.webhooks.retry import DeliveryState
from worker.webhooks.subscriptions import NewSecret, SubscriptionChange, Wanted

app = typer.Typer(no_args_is_help=True, help="Who is told about what, whether it arrived, and sending it again.")

_COLUMNS = ("id", "user_id", "status", "url", "event_types", "status_code", "consecutive_failures", "last_success_at")
_HIDDEN = frozenset({"secret_encrypted", "secret_key_id", "secret_version", "rate_next_at"})
_DELIVERY_COLUMNS = ("id", "type", "state", "code", "attempt", "next_attempt_at", "event_id", "subscription_id")

Events = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="TYPE", help="A type, a prefix such as expense.*, or *; repeatable."),
]
Description = Annotated[str | None, typer.Option("--description", help="What it is for.")]
Rate = Annotated[int | None, typer.Option("--rate", min=1, metavar="N", help="Deliveries a second, at most.")]
Limit = Annotated[int, typer.Option(min=1, max=delivery_queries.MAX_ROWS)]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="2h|3d|MOMENT", help="How long ago, or a moment such as 2026-11-22T09:00Z."),
]


@app.command()
def subscribe(
    *,
    user: Annotated[int, typer.Option("--user", metavar="ID", help="FinMind's user id.")],
    url: Annotated[str, typer.Option("--url", help="Where to send: https, a public name, port 443 or 8443.")],
    event: Events = None,
    description: Description = None,
    rate: Rate = None,
    as_json: JsonFlag = False,
) -> None:
    """Subscribe a URL and print its id and secret; the secret is shown this once."""
    wanted = Wanted(url=url, event_types=event or ["*"], description=description, rate_limit_per_s=rate)
    with workspace() as opened, opened.sessions() as session:
        policy = subscription_policy(opened.settings)
        made = subscriptions.subscribe(session, opened.vault, user, wanted, policy=policy)
    _print_secret(made, as_json=as_json)


@app.command("list")
def list_(
    *, user: Annotated[int | None, typer.Option("--user", metavar="ID")] = None, as_json: JsonFlag = False
) -> None:
    """List subscriptions."""
    with database() as sessions, sessions() as session:
        found = (
            subscriptions.all_subscriptions(session) if user is None else subscriptions.subscriptions_of(session, user)
        )
        rows = [_shown(row) for row in found]
    print_rows(rows, _COLUMNS, as_json=as_json, empty="no subscriptions")


@app.command()
def show(subscription: SubscriptionId, *, as_json: JsonFlag = False) -> None:
    """Show one subscription and how it has been doing."""
    with database() as sessions, sessions() as session:
        user_id = subscriptions.owner_of(session, subscription)
        record = _shown(subscriptions.subscription_of(session, user_id, subscription))
    print_record(record, as_json=as_json)


@app.command()
def update(
    subscription: SubscriptionId,
    *,
    url: Annotated[str | None, typer.Option("--url")] = None,
    event: Events = None,
    description: Description = None,
    rate: Rate = None,
) -> None:
    """Change a subscription; its secret stays."""
    change = SubscriptionChange(url=url, event_types=event, description=description, rate_limit_per_s=rate)
    policy = subscription_policy(settings())
    with database() as sessions, sessions() as session:
        user_id = subscriptions.owner_of(session, subscription)
        subscriptions.change(session, user_id, subscription, change, policy=policy)
    say(f"changed {subscription}")


@app.command()
def pause(subscription: SubscriptionId) -> None:
    """Hold deliveries back; events keep collecting."""
    with database() as sessions, sessions() as session:
        subscriptions.pause(session, subscriptions.owner_of(session, subscription), subscription)
    say(f"paused {subscription}")


@app.command()
def resume(subscription: SubscriptionId) -> None:
    """Deliver again, after a pause or after being disabled; `replay --since` brings what was missed."""
    with database() as sessions, sessions() as session:
        subscriptions.resume(session, subscriptions.owner_of(session, subscription), subscription)
    say(f"resumed {subscription}")


@app.command()
def remove(subscription: SubscriptionId) -> None:
    """End a subscription; what waits for it is cancelled."""
    with workspace() as opened, opened.sessions() as session:
        subscriptions.remove(session, opened.vault, subscriptions.owner_of(session, subscription), subscription)
    say(f"removed {subscription}")


@app.command("rotate-secret")
def rotate_secret(
    subscription: SubscriptionId,
    *,
    grace: Annotated[
        str, typer.Option(metavar="24h|7d|0m", help="How long the old secret still signs; 0m: leaked.")
    ] = "24h",
    as_json: JsonFlag = False,
) -> None:
    """Make a new secret and print it, this once; the old one signs beside it for the grace."""
    grace_for = read_interval(grace)
    if grace_for is None:
        raise InvalidRequestError("the grace is 0 to 7 days")
    with workspace() as opened, opened.sessions() as session:
        user_id = subscriptions.owner_of(session, subscription)
        made = subscriptions.rotate_secret(
            session, opened.vault, user_id, subscription, grace_s=grace_for.total_seconds()
        )
    _print_secret(made, as_json=as_json)


@app.command("test")
def send_test(subscription: SubscriptionId, *, as_json: JsonFlag = False) -> None:
    """Send a `webhook.test` event to this subscription alone; `deliveries` shows whether it arrived."""
    with database() as sessions, sessions() as session:
        written = subscriptions.send_test(session, subscriptions.owner_of(session, subscription), subscription)
    print_result({"event_id": event_id(written)}, event_id(written), as_json=as_json)


@app.command()
def types(*, as_json: JsonFlag = False) -> None:
    """List the event types there are."""
    rows = [{"type": entry.name, "description": entry.description} for entry in event_types(API_VERSION).values()]
    print_rows(rows, ("type", "description"), as_json=as_json, empty="")


@app.command()
def events(
    *,
    user: Annotated[int, typer.Option("--user", metavar="ID")],
    event_type: Annotated[str | None, typer.Option("--type", help="Only this type.")] = None,
    since: Since = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """List a user's events, newest first."""
    with database() as sessions, sessions() as session:
        moment = read_moment(since, session)
        rows = delivery_queries.events(session, user, event_type=event_type, since=moment, limit=limit)
    print_rows(rows, ("id", "type", "occurred_at", "fanned_out_at"), as_json=as_json, empty="no events")


@app.command()
def deliveries(
    subscription: Annotated[
        uuid.UUID | None,
        typer.Argument(metavar="[SUBSCRIPTION]", parser=read_subscription_id, help="Only of this one."),
    ] = None,
    *,
    state: Annotated[DeliveryState | None, typer.Option("--state", help="Only these.")] = None,
    since: Since = None,
    until: Annotated[str | None, typer.Option("--until", metavar="2h|3d|MOMENT")] = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """List deliveries, newest first; `--state dead` shows those that were given up."""
    with database() as sessions, sessions() as session:
        wanted = DeliveryFilter(
            state=state,
            subscription_id=subscription,
            since=read_moment(since, session),
            until=read_moment(until, session),
        )
        user_id = subscriptions.owner_of(session, subscription) if subscription else None
        rows = delivery_queries.deliveries(session, user_id, wanted, limit=limit)
    print_rows(rows, _DELIVERY_COLUMNS, as_json=as_json, empty="no deliveries")


@app.command()
def attempts(
    delivery: Annotated[int, typer.Argument(metavar="DELIVERY", help="Id of the delivery.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """List every attempt of one delivery with what the receiver answered."""
    with database() as sessions, sessions() as session:
        rows = delivery_queries.attempts(session, delivery_queries.owner_of(session, delivery), delivery)
    columns = ("attempt", "started_at", "finished_at", "code", "duration_ms", "response_head")
    print_rows(rows, columns, as_json=as_json, empty="not tried yet")


@app.command("replay-dead")
def replay_dead(
    subscription: Annotated[
        uuid.UUID | None,
        typer.Argument(metavar="[SUBSCRIPTION]", parser=read_subscription_id, help="Only of this one."),
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Send deliveries again that were given up (10,000 at a time), of all active subscriptions or of one."""
    with database() as sessions, sessions() as session:
        count = replay.replay_dead(session, subscription)
    print_result({"queued": count}, f"queued {count}", as_json=as_json)


@app.command("replay")
def replay_(
    subscription: SubscriptionId,
    event: Annotated[str | None, typer.Argument(metavar="[EVENT]", help="One event, such as evt_….")] = None,
    *,
    since: Since = None,
    as_json: JsonFlag = False,
) -> None:
    """Send one event again, or with --since everything the subscription missed (10,000 at a time)."""
    if (event is None) == (since is None):
        raise InvalidRequestError("name one event, or say --since")
    with database() as sessions, sessions() as session:
        user_id = subscriptions.owner_of(session, subscription)
        moment = read_moment(since, session)
        if event is not None:
            replay.replay_event(session, user_id, subscription, parse_event_id(event))
            count = 1
        else:
            assert moment is not None
            count = replay.replay_since(session, user_id, subscription, moment)
    print_result({"queued": count}, f"queued {count}", as_json=as_json)


def _shown(row: WebhookSubscription) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in row.__table__.columns if column.name not in _HIDDEN}


def _print_secret(made: NewSecret, *, as_json: bool) -> None:
    text = f"{made.subscription_id}\n{made.secret}\nkeep the secret now: it is not shown again"
    print_result({"id": made.subscription_id, "secret": made.secret}, text, as_json=as_json)
