"""Credentials are opened on record and saved at once; what is newer is never overwritten."""

import os
import uuid
from dataclasses import dataclass

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from tests.factories import make_connection, make_sealed_connection
from worker.audit import acting_as
from worker.connections.credentials import (
    ConfigKeeper,
    open_taken,
    replace_config,
    take_config,
)
from worker.connectors.config import ConnectorConfig
from worker.credentials import LocalKeyring
from worker.credentials.envelope import EnvelopeVault
from worker.db.engine import Sessions
from worker.errors import ConflictError, CredentialError, NotFoundError


class Config(ConnectorConfig):
    token: SecretStr


def config(token: str) -> Config:
    return Config(token=SecretStr(token))


@pytest.fixture
def vault():
    return EnvelopeVault([LocalKeyring({"k1": os.urandom(32)})], primary_key_id="k1")


@dataclass
class Bench:
    sessions: Sessions
    vault: EnvelopeVault
    connection_id: uuid.UUID

    def token(self) -> str:
        return self.open().token.get_secret_value()

    def open(self) -> Config:
        return open_taken(self.sessions, self.vault, take_config(self.sessions, self.connection_id), Config)

    def keeper(self) -> ConfigKeeper:
        return ConfigKeeper(self.sessions, self.vault, take_config(self.sessions, self.connection_id))

    def audit(self) -> list[tuple[str, str, str]]:
        with self.sessions() as session:
            lines = session.execute(text("SELECT actor, action, detail->>'reason' FROM credential_audit ORDER BY id"))
            return [tuple(line) for line in lines]

    def sql(self, statement: str) -> None:
        with self.sessions() as session:
            session.execute(text(statement))


@pytest.fixture
def bench(sessions, user_id, vault):
    return Bench(sessions, vault, make_sealed_connection(sessions, vault, user_id, config("first")))


def test_a_stored_config_opens_and_who_opened_it_is_on_record(bench):
    with acting_as("task:refresh_connection"):
        assert bench.token() == "first"
    assert bench.audit() == [("task:refresh_connection", "opened", None)]


def test_renewed_credentials_are_stored_at_once_and_stay_when_the_run_fails(bench):
    keep = bench.keeper()

    def run():
        keep(config("second"))
        keep(config("third"))
        raise RuntimeError("the run fails after the bank renewed the token")

    with pytest.raises(RuntimeError):
        run()
    assert bench.token() == "third"


def test_a_run_never_overwrites_credentials_a_person_gave_meanwhile(bench):
    keep = bench.keeper()
    replace_config(bench.sessions, bench.vault, bench.connection_id, config("given anew"))
    with pytest.raises(ConflictError, match="were replaced meanwhile"):
        keep(config("renewed from the old login"))
    assert bench.token() == "given anew"


def test_a_removed_connection_gets_no_credentials_back(bench):
    keep = bench.keeper()
    bench.sql("UPDATE bank_connections SET status = 'disconnected', config_encrypted = NULL, config_key_id = NULL")
    with pytest.raises(ConflictError):
        keep(config("late"))
    with pytest.raises(ConflictError, match="was removed"):
        replace_config(bench.sessions, bench.vault, bench.connection_id, config("late"))
    with pytest.raises(ConflictError, match="was removed"):
        bench.token()


def test_an_unknown_connection_is_said_to_be_unknown(bench):
    with pytest.raises(NotFoundError):
        take_config(bench.sessions, uuid.uuid4())


def test_an_older_blob_put_back_does_not_open_and_that_is_on_record(bench):
    old = take_config(bench.sessions, bench.connection_id)
    bench.keeper()(config("second"))
    with bench.sessions() as session:
        session.execute(text("UPDATE bank_connections SET config_encrypted = :blob"), {"blob": old.blob})
    with pytest.raises(CredentialError):
        bench.open()
    assert bench.audit()[-1][1] == "refused"


def test_a_victims_blob_copied_into_another_row_does_not_open(bench, user_id, vault):
    with bench.sessions() as session:
        other = make_connection(session, user_id, config_encrypted=b"x", config_key_id="k1")
        session.execute(
            text(
                "UPDATE bank_connections SET config_encrypted = (SELECT config_encrypted FROM bank_connections"
                " WHERE id = :id)"
            ),
            {"id": bench.connection_id},
        )
    with pytest.raises(CredentialError):
        open_taken(bench.sessions, vault, take_config(bench.sessions, other), Config)
    assert bench.token() == "first"


def test_replacing_is_on_record_with_its_reason_and_without_content(bench):
    with acting_as("cli:ada"):
        replace_config(bench.sessions, bench.vault, bench.connection_id, config("second"))
    bench.keeper()(config("third"))
    assert [line[1:] for line in bench.audit()] == [
        ("replaced", "reauthorised"),
        ("opened", None),
        ("replaced", "renewed"),
    ]
    with bench.sessions() as session:
        assert "second" not in str(session.execute(text("SELECT * FROM credential_audit")).all())


def test_reprs_show_no_blob(bench):
    stored = take_config(bench.sessions, bench.connection_id)
    assert "blob" not in repr(stored)
