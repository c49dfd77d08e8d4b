"""The settings are few, each belongs to one group of readers, and what is read elsewhere is read by the same name."""

from pathlib import Path

import pytest

from worker.errors import ConfigurationError
from worker.process import heartbeat_files
from worker.process.state_directory import state_directory
from worker.settings import GROUPS, Settings, load_settings

MOST_SETTINGS = 50


def test_every_setting_belongs_to_one_group():
    grouped = [name for group in GROUPS for name in group.model_fields]
    assert sorted(grouped) == sorted(Settings.model_fields)


def test_there_are_no_more_settings_than_somebody_can_know():
    assert len(Settings.model_fields) <= MOST_SETTINGS


def test_a_setting_without_a_default_is_one_that_must_be_set():
    required = {name for name, field in Settings.model_fields.items() if field.is_required()}
    assert required == {"database_url", "redis_url"}


def test_the_probe_and_the_commands_read_the_variables_that_the_settings_document(monkeypatch):
    monkeypatch.setenv("FINMIND_HEALTH_DIR", "/somewhere/health")
    monkeypatch.setenv("FINMIND_STATE_DIR", "/somewhere/state")
    settings = Settings(_env_file=None, database_url="postgresql://x", redis_url="redis://x")
    assert settings.finmind_health_dir == heartbeat_files.directory() == Path("/somewhere/health")
    assert settings.finmind_state_dir == state_directory() == Path("/somewhere/state")


def test_an_optional_secret_that_is_empty_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("LINK_APPS", "")
    monkeypatch.setenv("SMTP_URL", " ")
    settings = Settings(_env_file=None, database_url="postgresql://x", redis_url="redis://x", webhook_proxy_url="")
    assert (settings.link_apps, settings.smtp_url, settings.webhook_proxy_url) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEASE_S", "1e300"),
        ("TICK_S", "inf"),
        ("TICK_S", "nan"),
        ("API_PORT", "65536"),
        ("FLOWER_PORT", "99999"),
        ("MAX_ATTEMPTS", "99999999999"),
        ("RUN_RETENTION_DAYS", "99999999999999"),
        ("AUDIT_RETENTION_DAYS", "36526"),
    ],
)
def test_a_number_that_no_machine_or_database_can_work_with_is_refused_by_name(monkeypatch, name, value):
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("REDIS_URL", "redis://x")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        load_settings()
