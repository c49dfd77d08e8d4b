"""Each process of `up` gets the variables that it reads, and no secret of another."""

import pytest
from pydantic import SecretStr

from worker.local.environments import SECRETS, process_environment, server_environment
from worker.local.services import commands
from worker.settings import Settings

SECRET_SETTINGS = {
    name.upper() for name, field in Settings.model_fields.items() if field.annotation in (SecretStr, SecretStr | None)
}
ALL = {name.upper(): f"value of {name}" for name in Settings.model_fields} | {
    "PATH": "/bin",
    "HOME": "/home/somebody",
    "SOMEBODYS_TOKEN": "not ours",
    "AWS_SECRET_ACCESS_KEY": "of KMS",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=x",
}


def test_every_process_of_the_table_has_its_line_and_every_secret_setting_is_in_some_line():
    assert {command.name for command in commands(flower_port=1, api_port=2)} == set(SECRETS)
    assert set().union(*SECRETS.values()) >= SECRET_SETTINGS


def test_servers_are_told_nothing_of_ours():
    assert server_environment(ALL) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("process", "secrets"),
    [
        ("beat", {"REDIS_URL", "BROKER_URL"}),
        ("flower", {"REDIS_URL", "BROKER_URL", "FLOWER_BASIC_AUTH"}),
        (
            "scheduled",
            {
                "DATABASE_URL",
                "REDIS_URL",
                "BROKER_URL",
                "FINMIND_CACHE_URL",
                "CREDENTIAL_KEYS",
                "VAULT_TOKEN",
                "LINK_APPS",
            },
        ),
        (
            "webhooks",
            {
                "DATABASE_URL",
                "REDIS_URL",
                "BROKER_URL",
                "CREDENTIAL_KEYS",
                "VAULT_TOKEN",
                "SMTP_URL",
                "WEBHOOK_PROXY_URL",
            }
            | {"EVENT_SIGNING_KEY", "LINK_APPS"},
        ),
        (
            "api",
            {
                "DATABASE_URL",
                "REDIS_URL",
                "BROKER_URL",
                "FINMIND_CACHE_URL",
                "CREDENTIAL_KEYS",
                "VAULT_TOKEN",
                "JWT_SECRET",
            }
            | {"OPS_BASIC_AUTH", "LINK_APPS"},
        ),
    ],
)
def test_a_process_gets_its_own_secrets_alone(process, secrets):
    given = process_environment(process, ALL)
    assert given.keys() & SECRET_SETTINGS == secrets
    assert "SOMEBODYS_TOKEN" not in given
    assert {"LEASE_S", "STATEMENT_FOLDER", "PATH", "HOME"} <= given.keys()


def test_only_who_opens_credentials_gets_access_to_a_key_service_and_to_tracing():
    opening = {name for name in SECRETS if "AWS_SECRET_ACCESS_KEY" in process_environment(name, ALL)}
    assert opening == {"interactive", "scheduled", "heavy", "webhooks", "api"}


def test_names_count_however_they_are_written():
    given = {"jwt_secret": "x" * 40, "redis_url": "redis://localhost"}
    assert process_environment("beat", given) == {"redis_url": "redis://localhost"}


def test_a_process_that_is_in_no_line_gets_no_secret():
    assert not process_environment("another", ALL).keys() & SECRET_SETTINGS
