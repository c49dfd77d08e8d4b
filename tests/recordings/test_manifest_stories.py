"""Two days at every provider that a manifest describes, and a refusal: a replay decides what was decided."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.connectors.manifest import test_stories as configs
from tests.fakes import (
    akahu_server,
    lunchflow_server,
    mercury_server,
    monobank_server,
    pluggy_server,
    teller_server,
    trading212_server,
    truelayer_server,
    up_server,
)
from tests.fakes.provider_server import NOW, Detour, FakeProvider, Reply, serving
from tests.recordings.recorded import RecordedConnection
from tests.recordings.test_stories import same
from worker.connectors.config import parse_config
from worker.connectors.manifest.loading import shipped
from worker.connectors.registry import ConnectorRegistry

LATER = NOW + timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What a provider holds on one day and the next."""

    fake: type[FakeProvider]
    config: dict[str, Any]
    first: Callable[[Any], None]
    then: Callable[[Any], None]


def up_first(fake):
    for place in range(5):
        fake.hold(f"t-{place}", -1000 - place, f"2026-11-1{place}T12:00:00+11:00")


def mercury_rows(status):
    return [
        mercury_server.row(f"m{place}", f"2026-11-1{place}T12:00:00Z", -place - 0.5, status if place == 4 else "sent")
        for place in (4, 3, 2, 1)
    ]


TELLER_ROWS = [
    teller_server.row(f"r{place}", teller_server.CHECKING, f"2026-11-1{place}", f"-{place}.10") for place in range(5)
]
TRUELAYER_PATH = f"/accounts/{truelayer_server.ACCOUNT}/transactions"

STORIES = {
    "akahu": Story(
        fake=akahu_server.FakeAkahu,
        config=configs.AKAHU,
        first=lambda fake: setattr(fake, "pending", [akahu_server.pending("2026-11-17T11:00:00.000Z", -60.25)]),
        then=lambda fake: (
            fake.pending.clear(),
            fake.settled.append(akahu_server.settled("trans_1", "2026-11-18T11:00:00.000Z", -60.25)),
        ),
    ),
    "lunchflow": Story(
        fake=lunchflow_server.FakeLunchFlow,
        config=configs.LUNCHFLOW,
        first=lambda fake: fake.rows.extend([lunchflow_server.row("2026-11-10", -12.5)] * 2),
        then=lambda fake: setattr(fake, "balance", None),
    ),
    "mercury": Story(
        fake=mercury_server.FakeMercury,
        config=configs.MERCURY,
        first=lambda fake: setattr(fake, "rows", mercury_rows("pending")),
        then=lambda fake: setattr(fake, "rows", mercury_rows("reversed")),
    ),
    "monobank": Story(
        fake=monobank_server.FakeMonobank,
        config=configs.MONOBANK,
        first=lambda fake: fake.rows.append(monobank_server.row("h", NOW - timedelta(days=2), -100_00, hold=True)),
        then=lambda fake: fake.rows.__setitem__(0, monobank_server.row("h", NOW - timedelta(days=2), -99_00)),
    ),
    "pluggy": Story(
        fake=pluggy_server.FakePluggy,
        config=configs.PLUGGY,
        first=lambda fake: fake.rows[pluggy_server.CARD].append(pluggy_server.row("c", "2026-11-10", 60.75, "DEBIT")),
        then=lambda fake: setattr(fake, "status", "WAITING_USER_INPUT"),
    ),
    "teller": Story(
        fake=teller_server.FakeTeller,
        config=configs.TELLER,
        first=lambda fake: fake.rows.update({teller_server.CHECKING: TELLER_ROWS}),
        then=lambda fake: setattr(fake, "disconnected", "enrollment.disconnected.account_locked"),
    ),
    "trading212": Story(
        fake=trading212_server.FakeTrading212,
        config=configs.TRADING212,
        first=lambda fake: fake.items.append(trading212_server.item("d", "DEPOSIT", 100.5, "2026-11-10T10:00:00Z")),
        then=lambda fake: fake.items.append(trading212_server.item("t", "TRANSFER", -5, "2026-11-12T10:00:00Z")),
    ),
    "truelayer": Story(
        fake=truelayer_server.FakeTrueLayer,
        config=configs.TRUELAYER,
        first=lambda fake: fake.rows.update(
            {
                TRUELAYER_PATH: [truelayer_server.row("t1", "2026-11-05T00:00:00Z", -7.4, "DEBIT")],
                f"{TRUELAYER_PATH}/pending": [truelayer_server.row("t2", "2026-11-20T09:00:00Z", -1, "DEBIT")],
            }
        ),
        then=lambda fake: setattr(fake, "has_cards", False),
    ),
    "up": Story(
        fake=up_server.FakeUp,
        config=configs.UP,
        first=up_first,
        then=lambda fake: fake.settle("t-4", -1300, "2026-11-15T00:10:00+11:00"),
    ),
}


def test_every_shipped_manifest_has_its_story():
    assert set(STORIES) == set(shipped())


@pytest.mark.parametrize("name", STORIES)
def test_a_replay_decides_what_was_decided(sessions, user_id, name):
    story, connector = STORIES[name], ConnectorRegistry().get(name)
    fake = story.fake()
    with serving(fake) as url:
        connection = RecordedConnection(sessions, user_id, connector, lambda: Detour(url))
        connection.config, connection.clock = parse_config(connector, story.config), NOW
        story.first(fake)
        connection.refresh()
        assert connection.sql("SELECT count(*) FROM bank_transactions")[0][0] > 0
        connection.later(LATER)
        fake.now = LATER
        story.then(fake)
        connection.refresh()
        refusal = Reply({"error": "no"}, None, 503)
        fake.broken = {asked.path: [refusal] * 3 for asked in fake.asked}
        connection.refresh()
    same(connection)
    for canary in ("canary", "Corner Shop", "CORNER SHOP", "Padaria"):
        assert [text[text.index(canary) - 60 :][:130] for text in connection.recordings if canary in text] == []
