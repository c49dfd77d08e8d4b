"""What keys hold, whether everything opens, and whether one may go."""

import os

import pytest

from worker.errors import ConfigurationError, ConflictError, KeyProviderUnavailableError, NotFoundError
from worker.keys.startup_check import check_keys
from worker.keys.usage import check_unneeded, key_usage
from worker.keys.verification import verify


def usage(safe, *key_ids):
    with safe.sessions() as session:
        return {found.key_id: found for found in key_usage(session, safe.vault(*key_ids))}


def test_usage_counts_every_kind_of_secret_and_shows_keys_that_are_missing_or_idle(safe):
    safe.add_connections(2)
    safe.add_subscription()
    found = usage(safe, "new")
    assert (found["old"].sealed, found["old"].configured) == (3, False)
    assert found["old"].per_column == {
        "bank_connections.config_encrypted": 2,
        "webhook_subscriptions.secret_encrypted": 1,
    }
    assert (found["new"].sealed, found["new"].primary, found["new"].oldest_sealed_at) == (0, True, None)
    assert next(iter(found)) == "new"


def test_verification_says_which_values_do_not_open_and_changes_nothing(safe):
    safe.add_connections(2)
    (foreign,) = safe.add_connections(1)
    safe.sql("UPDATE bank_connections SET config_version = 9 WHERE id = :id", id=foreign)
    before = safe.sql("SELECT xmin::text, id FROM bank_connections ORDER BY id")
    report = verify(safe.sessions, safe.vault("old"))
    assert report.opened == {"old": 2}
    assert list(report.failures) == [f"bank_connections.config_encrypted of row {foreign}"]
    assert safe.sql("SELECT xmin::text, id FROM bank_connections ORDER BY id") == before
    assert safe.sql("SELECT count(*) FROM credential_audit") == [(0,)]


def test_verification_notices_a_row_that_names_the_wrong_key(safe):
    safe.add_connections(1)
    safe.sql("UPDATE bank_connections SET config_key_id = 'new'")
    (problem,) = verify(safe.sessions, safe.vault("new", "old")).failures.values()
    assert "is sealed with the key 'old', its row says 'new'" in problem


def test_a_process_with_every_key_starts(safe):
    safe.add_connections(1)
    safe.add_subscription("new")
    check_keys(safe.sessions, safe.vault("new", "old"))


def test_an_empty_database_needs_no_key(safe):
    check_keys(safe.sessions, safe.vault("new"))


def test_a_missing_key_stops_the_start_and_is_named_with_what_depends_on_it(safe):
    safe.add_connections(3)
    with pytest.raises(ConfigurationError, match=r"the credential key 'old' is missing: 3 row\(s\) of bank_conn"):
        check_keys(safe.sessions, safe.vault("new"))


def test_another_key_under_a_known_id_stops_the_start(safe):
    safe.add_subscription()
    safe.keys["old"] = os.urandom(32)
    with pytest.raises(ConfigurationError, match="'old' is not the one that sealed this value"):
        check_keys(safe.sessions, safe.vault("old"))


def test_a_key_service_that_is_down_stops_nothing(safe):
    safe.add_connections(1)

    class Down:
        key_ids = ("old",)

        def open(self, _blob, _place):
            raise KeyProviderUnavailableError

    check_keys(safe.sessions, Down())


@pytest.mark.parametrize(
    ("configured", "key_id", "error", "sentence"),
    [
        (("old", "new"), "old", ConflictError, "seals new values"),
        (("new", "old"), "old", ConflictError, "still needed .2 of bank_connections.config_encrypted"),
        (("new", "old"), "k9", NotFoundError, "no credential key 'k9'"),
    ],
)
def test_a_key_is_not_let_go_while_it_is_needed(safe, configured, key_id, error, sentence):
    safe.add_connections(2)
    with safe.sessions() as session, pytest.raises(error, match=sentence):
        check_unneeded(session, safe.vault(*configured), key_id)


def test_an_idle_key_may_go(safe):
    safe.add_connections(2)
    with safe.sessions() as session:
        check_unneeded(session, safe.vault("old", "new"), "new")
