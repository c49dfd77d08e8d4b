"""Plaid's webhooks: from a signed delivery to rows, runs and the states of connections."""

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text

from tests.api.test_linking import APPS
from tests.fakes.plaid_server import CHECKING, FakePlaid, error
from tests.fakes.provider_server import context_for, serving
from worker.api.webhook_verifiers import DispatcherNudge, WebhookVerifiers
from worker.connections.linking import LinkService
from worker.connections.linking.apps import LinkApps
from worker.connections.notices.finishing import finish_hosted_links
from worker.connections.notices.handling import handle_notices
from worker.connectors.base import Burst

DOOR = "/bank-connections/provider-webhooks/plaid"
LINKS = "/bank-connections/links"
PUBLIC = "https://finmind.test"


def number(value):
    return base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()


class Plaid:
    """A provider that signs its webhooks, and the API in front of it."""

    def __init__(self, app, client, fake, sessions):
        self.app, self.client, self.fake, self.sessions = app, client, fake, sessions
        self.key = ec.generate_private_key(ec.SECP256R1())
        public = self.key.public_key().public_numbers()
        fake.keys["key-1"] = {
            "alg": "ES256", "crv": "P-256", "kid": "key-1", "kty": "EC", "use": "sig", "x": number(public.x),
            "y": number(public.y), "created_at": 1560466150, "expired_at": None,
        }  # fmt: skip

    def send(self, code, kind="ITEM", *, item="item-1", ago_s=0.0, key=None, kid="key-1", **fields):
        body = json.dumps({"webhook_type": kind, "webhook_code": code, "item_id": item, **fields}).encode()
        return self.deliver(body, self.sign(body, ago_s=ago_s, key=key, kid=kid))

    def sign(self, body, *, ago_s=0.0, key=None, kid="key-1"):
        claims = {"iat": time.time() - ago_s, "request_body_sha256": hashlib.sha256(body).hexdigest()}
        return jwt.encode(claims, key or self.key, algorithm="ES256", headers={"kid": kid})

    def deliver(self, body, signature):
        return self.client.post(DOOR, content=body, headers={"Plaid-Verification": signature, "Authorization": ""})

    def link(self, **more):
        begun = self.client.post(LINKS, json={"connector_name": "plaid", **more}).json()
        token = f"public-{len(self.fake.exchanged) + 1}"
        body = {"connector_name": "plaid", "state": begun["state"], "public_token": token}
        made = self.client.post(f"{LINKS}/complete", json=body)
        assert made.status_code == 201, made.text
        return made.json()["id"]

    def restart(self):
        """Let the API forget what it has in memory."""
        known = self.app.state.services
        verifiers = WebhookVerifiers(known.runtime.registry, self.link_service, self.apps)
        self.app.state.services = replace(known, webhook_verifiers=verifiers)

    def lookups(self):
        return self.fake.paths().count("/webhook_verification_key/get")

    def handle(self, burst=None):
        with self.sessions() as session:
            return handle_notices(session, lambda _name: burst)

    def sql(self, statement, **values):
        with self.sessions() as session:
            found = session.execute(text(statement), values)
            return found.all() if found.returns_rows else []

    def runs(self):
        return self.sql("SELECT trigger, status FROM bank_import_runs ORDER BY queued_at")

    def results(self):
        return [row.result for row in self.sql("SELECT result FROM provider_notices ORDER BY received_at")]

    def connection(self, connection_id):
        return self.client.get(f"/bank-connections/connections/{connection_id}").json()


@pytest.fixture
def plaid(app, client, sessions):
    fake = FakePlaid()

    def open_context():
        return context_for(fake.url, now=datetime.now(UTC))

    @contextmanager
    def open_connector(connector, config):
        with open_context() as context:
            yield connector(config, context)

    with serving(fake) as fake.url:
        known = app.state.services
        link_service = LinkService(
            connection_service=replace(known.connection_service, open_connector=open_connector),
            open_context=open_context,
            public_url=PUBLIC,
        )
        apps = LinkApps.model_validate(APPS)
        nudges = []
        app.state.services = replace(
            known,
            link_service=link_service,
            link_apps=apps,
            webhook_verifiers=WebhookVerifiers(known.runtime.registry, link_service, apps),
            nudge_dispatcher=lambda: nudges.append(1),
        )
        made = Plaid(app, client, fake, sessions)
        made.nudges, made.apps, made.link_service = nudges, apps, link_service
        yield made


def test_news_become_one_run_and_the_dispatcher_is_woken(plaid):
    plaid.link()
    answer = plaid.send("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS")
    assert (answer.status_code, answer.content, plaid.nudges) == (200, b"", [1])
    assert plaid.handle() == 1
    assert plaid.runs() == [("webhook", "queued")]
    assert plaid.results() == ["run_asked"]


def test_the_link_names_the_door_and_the_connection_knows_its_address(plaid):
    connection_id = plaid.link()
    [asked] = [one.body for one in plaid.fake.asked if one.path == "/link/token/create"]
    assert asked["webhook"] == PUBLIC + DOOR
    [(url,)] = plaid.sql("SELECT webhook_url FROM bank_connections WHERE id = :id", id=connection_id)
    assert url == PUBLIC + DOOR


@pytest.mark.parametrize(
    "forged",
    [
        lambda plaid, body: plaid.deliver(body, plaid.sign(body, key=ec.generate_private_key(ec.SECP256R1()))),
        lambda plaid, body: plaid.deliver(body, plaid.sign(body, ago_s=301)),
        lambda plaid, body: plaid.deliver(body, plaid.sign(body, ago_s=-420)),
        lambda plaid, body: plaid.deliver(body + b" ", plaid.sign(body)),
        lambda plaid, body: plaid.deliver(body, plaid.sign(body, kid="another")),
        lambda plaid, body: plaid.deliver(body, ""),
        lambda plaid, body: plaid.deliver(body, "a.b.c"),
        lambda plaid, body: plaid.deliver(body, "x" * 10_000),
        lambda plaid, body: plaid.deliver(body, jwt.encode({}, "s" * 40, algorithm="HS256", headers={"kid": "key-1"})),
    ],
    ids=["key", "old", "future", "body", "unknown key", "none", "garbage", "huge", "hs256"],
)
def test_what_plaid_did_not_sign_is_refused_and_leaves_nothing(plaid, forged):
    plaid.link()
    body = json.dumps({"webhook_type": "ITEM", "webhook_code": "LOGIN_REPAIRED", "item_id": "item-1"}).encode()
    assert forged(plaid, body).status_code == 401
    assert (plaid.results(), plaid.nudges) == ([], [])


def test_a_replayed_delivery_is_one_notice_before_and_after_it_was_handled(plaid):
    plaid.link()
    body = json.dumps(
        {"webhook_type": "TRANSACTIONS", "webhook_code": "SYNC_UPDATES_AVAILABLE", "item_id": "item-1"}
    ).encode()
    signature = plaid.sign(body)
    for _ in range(3):
        assert plaid.deliver(body, signature).status_code == 200
    plaid.handle()
    assert plaid.deliver(body, signature).status_code == 200
    assert plaid.results() == ["run_asked"]


def test_a_burst_of_news_is_one_run_and_what_comes_within_a_minute_waits_for_the_next(plaid):
    plaid.link()
    for place in range(5):
        plaid.send("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS", ago_s=place)
    plaid.handle()
    assert len(plaid.runs()) == 1
    plaid.sql("UPDATE bank_import_runs SET status = 'cancelled', code = 'cancelled', finished_at = now()")
    plaid.send("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS", ago_s=9)
    plaid.handle()
    assert len(plaid.runs()) == 1
    plaid.sql("UPDATE bank_import_runs SET queued_at = queued_at - interval '61 seconds'")
    plaid.sql("UPDATE provider_notices SET not_before = now()")
    plaid.handle()
    assert len(plaid.runs()) == 2


def test_no_more_than_so_many_of_a_kind_wait_for_a_login(plaid):
    for place in range(25):
        assert plaid.send("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS", ago_s=place, item="item-9").status_code == 200
    assert len(plaid.results()) == 20


def test_a_storm_of_webhooks_is_answered_bounded_and_becomes_a_run_per_login(plaid):
    """Ten senders at once, and some deliveries twice."""
    for _ in range(3):
        plaid.link()
    plaid.send("LOGIN_REPAIRED", item="item-1")  # the key is known
    wanted = [
        (json.dumps({"webhook_type": "TRANSACTIONS", "webhook_code": "SYNC_UPDATES_AVAILABLE", "item_id": item,
                     "place": place}).encode())
        for place in range(23) for item in ("item-1", "item-2", "item-3")
    ]  # fmt: skip
    signed = [(body, plaid.sign(body)) for body in wanted]
    signed += signed[:15]
    with ThreadPoolExecutor(10) as senders:
        answers = list(senders.map(lambda one: plaid.deliver(*one), signed))
    assert {answer.status_code for answer in answers} == {200}
    waiting = plaid.sql("SELECT login_ref, count(*) FROM provider_notices WHERE code LIKE 'SYNC%' GROUP BY 1")
    assert all(19 <= count <= 20 + 10 for _, count in waiting), "as many as senders may look at once"
    for _ in range(3):
        plaid.handle(Burst(calls=10, per_s=60))
    assert len(plaid.runs()) == 2, "no more than the limit of the client carries in a minute"
    plaid.sql("UPDATE provider_notices SET handled_at = handled_at - interval '2 minutes' WHERE handled_at IS NOT NULL")
    plaid.sql("UPDATE provider_notices SET not_before = now() WHERE handled_at IS NULL")
    for _ in range(3):
        plaid.handle(Burst(calls=10, per_s=60))
    assert plaid.runs() == [("webhook", "queued")] * 3


def test_news_that_come_while_a_run_reads_get_a_run_of_their_own(plaid):
    connection_id = plaid.link()
    plaid.sql(
        "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, lease_token,"
        " lease_expires_at) SELECT gen_random_uuid(), id, user_id, 'refresh', 'user', 'running', gen_random_uuid(),"
        " now() + interval '1 minute' FROM bank_connections WHERE id = :id",
        id=connection_id,
    )
    plaid.send("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS")
    plaid.handle()
    assert sorted(plaid.runs()) == [("user", "running"), ("webhook", "queued")]


def test_a_client_gets_no_more_runs_a_minute_than_its_limit_carries(plaid):
    for place in range(1, 4):
        plaid.link()
        plaid.send("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS", item=f"item-{place}")
    for _ in range(3):
        plaid.handle(Burst(calls=10, per_s=60))
    assert len(plaid.runs()) == 2


def test_news_of_a_login_that_is_still_being_linked_wait_for_it(plaid):
    plaid.send("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS")
    assert plaid.handle() == 0
    plaid.link()
    plaid.sql("UPDATE provider_notices SET not_before = now()")
    plaid.handle()
    assert plaid.results() == ["run_asked"]
    plaid.send("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS", item="nobody's")
    plaid.sql("UPDATE provider_notices SET received_at = now() - interval '2 hours' WHERE handled_at IS NULL")
    plaid.handle()
    assert "unknown_login" in plaid.results()


def test_a_login_that_stopped_needs_its_user_and_goes_on_once_it_was_repaired(plaid):
    connection_id = plaid.link()
    plaid.sql("UPDATE bank_connections SET linked_at = now() - interval '1 hour'")
    error = {"error_type": "ITEM_ERROR", "error_code": "ITEM_LOGIN_REQUIRED"}
    plaid.send("ERROR", error=error)
    plaid.handle()
    shown = plaid.connection(connection_id)
    assert (shown["status"], shown["status_code"]) == ("needs_user", "needs_user")
    assert "ITEM_LOGIN_REQUIRED" in shown["status_message"]
    assert plaid.runs() == []
    plaid.send("LOGIN_REPAIRED")
    plaid.handle()
    assert plaid.runs() == [("webhook", "queued")]


def test_an_error_from_before_the_login_was_renewed_is_looked_at_instead_of_believed(plaid):
    connection_id = plaid.link()
    plaid.send("ERROR", error={"error_code": "ITEM_LOGIN_REQUIRED"}, ago_s=120)
    plaid.handle()
    assert plaid.connection(connection_id)["status"] == "active"
    assert plaid.runs() == [("webhook", "queued")]


def test_a_revoked_permission_needs_the_user(plaid):
    connection_id = plaid.link()
    plaid.sql("UPDATE bank_connections SET linked_at = now() - interval '1 hour'")
    plaid.send("USER_PERMISSION_REVOKED")
    plaid.handle()
    assert "revoked" in plaid.connection(connection_id)["status_message"]


def test_a_pending_end_warns_ahead_and_leaves_the_connection_at_work(plaid):
    connection_id = plaid.link()
    plaid.sql("UPDATE bank_connections SET linked_at = now() - interval '1 hour'")
    ends_at = (datetime.now(UTC) + timedelta(days=6, hours=1)).replace(microsecond=0)
    plaid.send("PENDING_EXPIRATION", consent_expiration_time=ends_at.isoformat())
    plaid.handle()
    shown = plaid.connection(connection_id)
    assert (shown["status"], datetime.fromisoformat(shown["consent_expires_at"])) == ("active", ends_at)
    assert plaid.sql("SELECT consent_warned_days FROM bank_connections") == [(7,)]
    plaid.send("LOGIN_REPAIRED")
    plaid.handle()
    assert plaid.connection(connection_id)["consent_expires_at"] is None


def test_new_accounts_are_shown_until_the_login_is_renewed(plaid):
    connection_id = plaid.link()
    plaid.sql("UPDATE bank_connections SET linked_at = now() - interval '1 hour'")
    plaid.send("NEW_ACCOUNTS_AVAILABLE")
    plaid.handle()
    assert plaid.connection(connection_id)["new_accounts_at"] is not None
    begun = plaid.client.post(LINKS, json={"connector_name": "plaid", "connection_id": connection_id}).json()
    plaid.client.post(f"{LINKS}/complete", json={"connector_name": "plaid", "state": begun["state"]})
    assert plaid.connection(connection_id)["new_accounts_at"] is None


def test_a_revoked_account_is_closed_and_the_others_go_on(plaid, user_id):
    connection_id = plaid.link()
    for external_id in (CHECKING, "another"):
        plaid.sql(
            "INSERT INTO bank_connection_accounts (connection_id, user_id, external_id, name)"
            " VALUES (:connection_id, :user_id, :external_id, 'x')",
            connection_id=connection_id, user_id=user_id, external_id=external_id,
        )  # fmt: skip
    plaid.send("USER_ACCOUNT_REVOKED", account_id=CHECKING)
    plaid.handle()
    listed = {
        one["external_id"]: (one["status"], one["status_code"])
        for one in plaid.client.get(f"/bank-connections/connections/{connection_id}/accounts").json()["items"]
    }
    assert listed == {CHECKING: ("closed", "account_revoked"), "another": ("active", None)}
    assert plaid.connection(connection_id)["status"] == "active"
    assert plaid.runs() == [("webhook", "queued")]


def finished(plaid, link_token, tokens=("public-1",), status="SUCCESS"):
    return plaid.send(
        "SESSION_FINISHED", "LINK", item=None, status=status, link_token=link_token, link_session_id="s",
        public_tokens=list(tokens),
    )  # fmt: skip


def finish(plaid):
    return finish_hosted_links(plaid.link_service, plaid.apps, plaid.app.state.services.runtime.vault)


def test_a_hosted_link_becomes_a_connection_with_its_first_run_once(plaid):
    begun = plaid.client.post(LINKS, json={"connector_name": "plaid", "hosted": True}).json()
    assert begun["url"] == "https://secure.plaid.test/hl/link-1"
    assert finished(plaid, begun["link_token"]).status_code == 200
    [(blob, secret_user)] = plaid.sql("SELECT secret_encrypted, user_id FROM provider_notices")
    assert secret_user is not None
    assert b"public-1" not in bytes(blob)
    assert finish(plaid) == 1
    [listed] = plaid.client.get("/bank-connections/connections").json()["items"]
    assert (listed["connector_name"], plaid.runs()) == ("plaid", [("webhook", "queued")])
    assert plaid.sql("SELECT result, secret_encrypted FROM provider_notices") == [("linked", None)]
    late = {"connector_name": "plaid", "state": begun["state"], "public_token": "public-1"}
    assert plaid.client.post(f"{LINKS}/complete", json=late).json()["id"] == listed["id"]
    finished(plaid, begun["link_token"])
    assert (finish(plaid), plaid.fake.exchanged) == (0, ["public-1"])


def test_two_banks_of_one_session_are_two_connections(plaid):
    begun = plaid.client.post(LINKS, json={"connector_name": "plaid", "hosted": True}).json()
    finished(plaid, begun["link_token"], ("public-1", "public-2"))
    assert finish(plaid) == 2
    assert len(plaid.client.get("/bank-connections/connections").json()["items"]) == 2


def test_a_hosted_link_that_meets_a_limit_is_tried_again_and_not_for_ever(plaid):
    for refused in (False, True):
        begun = plaid.client.post(LINKS, json={"connector_name": "plaid", "hosted": True}).json()
        plaid.fake.fail("/item/public_token/exchange", "RATE_LIMIT_EXCEEDED", "RATE_LIMIT", 429)
        finished(plaid, begun["link_token"])
        if refused:
            plaid.sql("UPDATE provider_notices SET received_at = now() - interval '31 minutes' WHERE result IS NULL")
        assert finish(plaid) == 0
        assert finish(plaid) == 0, "not before its time"
        plaid.sql("UPDATE provider_notices SET not_before = now()")
        assert finish(plaid) == (0 if refused else 1)
    assert sorted(plaid.results()) == ["link_failed", "linked"]


def test_a_hosted_link_lives_as_long_as_the_page_of_the_provider(plaid):
    plaid.fake.link_expires_at = (datetime.now(UTC) + timedelta(hours=4)).isoformat()
    begun = plaid.client.post(LINKS, json={"connector_name": "plaid", "hosted": True}).json()
    told = datetime.fromisoformat(begun["expires_at"])
    [(lives_until,)] = plaid.sql("SELECT expires_at FROM bank_link_attempts")
    assert told < lives_until < told + timedelta(hours=1)
    plaid.sql("UPDATE bank_link_attempts SET expires_at = expires_at - interval '61 minutes'")
    finished(plaid, begun["link_token"])
    assert finish(plaid) == 1


def test_two_connections_of_a_login_both_get_a_run_though_one_is_held_for_a_moment(plaid):
    plaid.link()
    plaid.sql(
        "INSERT INTO bank_connections (id, user_id, connector_name, display_name, login_ref, config_encrypted,"
        " config_key_id) SELECT gen_random_uuid(), user_id, connector_name, 'second', login_ref, config_encrypted,"
        " config_key_id FROM bank_connections"
    )
    plaid.send("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS")
    with plaid.sessions() as holding:
        holding.execute(text("SELECT 1 FROM bank_connections WHERE display_name = 'second' FOR UPDATE"))
        assert plaid.handle() == 0
    plaid.sql("UPDATE provider_notices SET not_before = now()")
    plaid.handle()
    assert len(plaid.runs()) == 2


def test_a_bank_of_a_session_that_is_refused_keeps_out_no_other_one(plaid):
    begun = plaid.client.post(LINKS, json={"connector_name": "plaid", "hosted": True}).json()
    plaid.fake.fail("/item/public_token/exchange", "INVALID_INPUT", "INVALID_PUBLIC_TOKEN")
    finished(plaid, begun["link_token"], ("public-1", "public-2"))
    assert finish(plaid) == 1
    assert (plaid.runs(), plaid.results()) == ([("webhook", "queued")], ["linked"])


@pytest.mark.parametrize("limited", ["public-1", "public-2"])
def test_a_bank_of_a_session_that_meets_a_limit_is_tried_again_though_the_other_one_was_linked(plaid, limited):
    begun = plaid.client.post(LINKS, json={"connector_name": "plaid", "hosted": True}).json()
    refusals, exchange = [limited], plaid.fake.on_item_public_token_exchange

    def once_limited(body):
        if body["public_token"] not in refusals:
            return exchange(body)
        refusals.clear()
        return error("RATE_LIMIT_EXCEEDED", "RATE_LIMIT", 429)

    plaid.fake.on_item_public_token_exchange = once_limited
    finished(plaid, begun["link_token"], ("public-1", "public-2"))
    assert (finish(plaid), len(plaid.runs()), plaid.results()) == (1, 1, [None])
    plaid.sql("UPDATE provider_notices SET not_before = now()")
    assert (finish(plaid), len(plaid.runs()), plaid.results()) == (1, 2, ["linked"])
    assert sorted(plaid.fake.exchanged) == ["public-1", "public-2"], "each token is exchanged once"


def test_a_session_that_was_broken_off_or_that_nobody_began_leads_nowhere(plaid):
    begun = plaid.client.post(LINKS, json={"connector_name": "plaid", "hosted": True}).json()
    finished(plaid, begun["link_token"], (), status="EXITED")
    finished(plaid, "link-of-a-stranger")
    assert finish(plaid) == 0
    assert plaid.fake.exchanged == []
    assert plaid.sql("SELECT 1 FROM provider_notices WHERE secret_encrypted IS NOT NULL") == []


@pytest.mark.parametrize("name", ["mock", "simplefin", "nothing", "..%2f"])
def test_there_is_a_door_only_where_a_provider_sends_webhooks(plaid, name):
    assert plaid.client.post(f"/bank-connections/provider-webhooks/{name}", content=b"{}").status_code == 404


def test_without_an_application_there_is_no_door(client):
    assert client.post(DOOR, content=b"{}").status_code == 404


def test_a_signed_body_that_is_no_webhook_is_said_to_be_none(plaid):
    body = b"[]"
    assert plaid.deliver(body, plaid.sign(body)).status_code == 422


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(plaid):
    assert plaid.deliver(b"x" * 70_000, "a.b.c").status_code == 413


def test_a_key_that_cannot_be_looked_up_now_asks_for_the_webhook_again(plaid):
    plaid.fake.fail("/webhook_verification_key/get", "API_ERROR", "INTERNAL_SERVER_ERROR", 500)
    assert plaid.send("LOGIN_REPAIRED").status_code == 502
    assert plaid.send("LOGIN_REPAIRED").status_code == 200


def test_a_key_is_known_after_a_restart_whatever_strangers_send(plaid):
    assert plaid.send("LOGIN_REPAIRED").status_code == 200
    plaid.restart()
    strangers = [plaid.send("LOGIN_REPAIRED", kid=f"made-up-{place}").status_code for place in range(25)]
    assert set(strangers) == {401, 503}
    before = plaid.lookups()
    assert plaid.send("LOGIN_REPAIRED", ago_s=1).status_code == 200
    assert plaid.lookups() == before


def test_a_kept_key_is_renewed_after_a_day_and_goes_when_plaid_knows_it_no_more(plaid):
    plaid.send("LOGIN_REPAIRED")
    plaid.sql("UPDATE provider_webhook_keys SET fetched_at = now() - interval '25 hours'")
    plaid.restart()
    assert plaid.send("LOGIN_REPAIRED", ago_s=1).status_code == 200
    assert plaid.sql("SELECT 1 FROM provider_webhook_keys WHERE fetched_at > now() - interval '1 minute'")
    plaid.sql("UPDATE provider_webhook_keys SET fetched_at = now() - interval '25 hours'")
    plaid.restart()
    del plaid.fake.keys["key-1"]
    assert plaid.send("LOGIN_REPAIRED", ago_s=2).status_code == 401
    assert plaid.sql("SELECT 1 FROM provider_webhook_keys") == []


def test_a_waiting_nudge_stands_for_those_that_come_meanwhile():
    sent, moments = [], iter(range(100))

    def nudge():
        sent.append(1)
        return True

    wake = DispatcherNudge(nudge, now=lambda: float(next(moments)))
    wake._is_waiting = True
    wake()
    assert sent == []
    wake._is_waiting = False
    wake()
    wake()
    assert sent == [1, 1]
