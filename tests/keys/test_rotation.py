"""Rotation moves every sealed value to the primary key, past locks, kills and concurrent renewals."""

import dataclasses

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from tests.keys.conftest import Config
from worker.audit import acting_as
from worker.connections.credentials import ConfigKeeper, open_taken, take_config
from worker.errors import KeyProviderUnavailableError
from worker.keys.rotation import rotate, rows_to_rotate
from worker.keys.verification import verify


def test_everything_moves_and_still_opens_where_it_is(safe):
    ids = safe.add_connections(7)
    safe.add_subscription()
    vault = safe.vault("new", "old")
    moved = []
    report = rotate(safe.sessions, vault, batch=3, on_progress=moved.append)
    assert (report.rotated, report.remaining, report.failures) == (8, 0, {})
    assert (sum(moved), max(moved)) == (8, 3)
    assert safe.per_key() == {"new": 8}
    only_new = safe.vault("new")
    config = open_taken(safe.sessions, only_new, take_config(safe.sessions, ids[3]), Config)
    assert config.token.get_secret_value() == "token-3"
    assert sum(verify(safe.sessions, only_new).opened.values()) == 8


def test_the_content_keeps_its_version_so_that_a_running_refresh_can_still_save(safe):
    (row_id,) = safe.add_connections(1)
    vault = safe.vault("new", "old")
    keep = ConfigKeeper(safe.sessions, vault, take_config(safe.sessions, row_id))
    rotate(safe.sessions, vault)
    keep(Config(token=SecretStr("renewed")))
    config = open_taken(safe.sessions, vault, take_config(safe.sessions, row_id), Config)
    assert config.token.get_secret_value() == "renewed"


def test_credentials_renewed_between_reading_and_writing_are_never_overwritten(safe):
    (row_id,) = safe.add_connections(1)

    class Interrupted:
        """The vault of a rotation during which a refresh renews the token."""

        def __init__(self, inner):
            self.inner = inner
            self.primary_key_id = inner.primary_key_id

        def open(self, blob, place):
            if place.version == 1:
                ConfigKeeper(safe.sessions, safe.vault("old"), take_config(safe.sessions, row_id))(
                    Config(token=SecretStr("renewed"))
                )
            return self.inner.open(blob, place)

        def seal(self, plaintext, place):
            return self.inner.seal(plaintext, place)

    report = rotate(safe.sessions, Interrupted(safe.vault("new", "old")))
    assert (report.rotated, report.remaining) == (1, 0)
    config = open_taken(safe.sessions, safe.vault("new"), take_config(safe.sessions, row_id), Config)
    assert config.token.get_secret_value() == "renewed"


def test_a_row_that_somebody_holds_is_left_and_counted(safe):
    ids = safe.add_connections(3)
    vault = safe.vault("new", "old")
    with safe.sessions() as session:
        session.execute(text("SELECT 1 FROM bank_connections WHERE id = :id FOR UPDATE"), {"id": ids[0]})
        report = rotate(safe.sessions, vault)
        assert (report.rotated, report.remaining) == (2, 1)
    assert rotate(safe.sessions, vault).remaining == 0


def test_a_key_service_that_goes_down_half_way_loses_nothing_and_the_next_call_goes_on(safe):
    safe.add_connections(10)
    vault = safe.vault("new", "old")

    class GoesDown:
        primary_key_id = "new"
        opened = 0

        def open(self, blob, place):
            self.opened += 1
            if self.opened > 5:
                raise KeyProviderUnavailableError
            return vault.open(blob, place)

        def seal(self, plaintext, place):
            return vault.seal(plaintext, place)

    with pytest.raises(KeyProviderUnavailableError):
        rotate(safe.sessions, GoesDown(), batch=2)
    assert safe.per_key() == {"new": 4, "old": 6}
    assert rotate(safe.sessions, vault).rotated == 6


def test_a_value_that_does_not_open_is_named_and_the_others_move(safe):
    ids = safe.add_connections(3)
    safe.sql("UPDATE bank_connections SET config_encrypted = 'damaged' WHERE id = :id", id=ids[1])
    report = rotate(safe.sessions, safe.vault("new", "old"))
    assert (report.rotated, report.remaining) == (2, 1)
    assert list(report.failures) == [f"bank_connections.config_encrypted of row {ids[1]}"]


def test_values_of_the_primary_key_are_sealed_anew_only_when_asked(safe):
    safe.add_connections(2, key_id="new")
    vault = safe.vault("new", "old")
    assert rows_to_rotate(safe.sessions, vault) == 0
    assert rotate(safe.sessions, vault).rotated == 0
    assert rotate(safe.sessions, vault, everything=True).rotated == 2


def test_removed_connections_hold_nothing_to_rotate(safe):
    safe.add_connections(1)
    safe.sql("UPDATE bank_connections SET status = 'disconnected', config_encrypted = NULL, config_key_id = NULL")
    assert rotate(safe.sessions, safe.vault("new", "old")).rotated == 0


def test_every_move_is_on_record(safe):
    (row_id,) = safe.add_connections(1)
    with acting_as("cli:ada"):
        rotate(safe.sessions, safe.vault("new", "old"))
    assert safe.sql("SELECT actor, action, row_id, key_id, detail FROM credential_audit") == [
        ("cli:ada", "rotated", str(row_id), "new", {"from_key_id": "old"})
    ]


def test_a_second_rotation_at_the_same_time_does_no_harm(safe):
    ids = safe.add_connections(4)
    vault = safe.vault("new", "old")

    class Twice:
        primary_key_id = "new"
        nested = False

        def open(self, blob, place):
            if not self.nested:
                self.nested = True
                rotate(safe.sessions, vault)
            return vault.open(blob, place)

        def seal(self, plaintext, place):
            return vault.seal(plaintext, place)

    report = rotate(safe.sessions, Twice())
    assert (report.rotated, report.remaining) == (0, 0)
    for row_id in ids:
        open_taken(safe.sessions, vault, take_config(safe.sessions, row_id), Config)


def test_reports_never_hold_content(safe):
    safe.add_connections(1)
    report = rotate(safe.sessions, safe.vault("new", "old"))
    assert "token-0" not in repr(dataclasses.asdict(report))
