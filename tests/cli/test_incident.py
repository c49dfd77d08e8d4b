"""What docs/operator/incident.md says to run, run: each section from its first command to its last."""

import json
import re
import shlex
from pathlib import Path

import pytest

from worker.credentials.keyfile import ensure_key_file

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operator" / "incident.md").read_text()
NOT_RUN = {"db check", "db roles --apply", "db roles --apply --login worker=FILE", "status", "operator NAME"}
"""They need a database with a revision, log-ins of the owner, a worker or a terminal; other tests have them."""


def commands():
    """Return the commands of each section's block by its heading."""
    for section in re.split(r"(?m)^## ", PAGE):
        block = "".join(re.findall(r"(?s)```sh.*?\n(.*?)```", section))
        if lines := [line for line in re.findall(r"(?m)^finmind-worker (.+)$", block) if line not in NOT_RUN]:
            yield pytest.param(lines, id=section.partition("\n")[0])


@pytest.fixture
def values(command, monkeypatch, tmp_path, database_url, redis_url, user_id):
    """An installation of one key, connection and subscription, and what stands for the names of the page."""
    path = ensure_key_file(tmp_path / "credential_keys")
    for name, value in {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "CREDENTIAL_KEYS_FILE": str(path),
        "WEBHOOK_ALLOW_LOOPBACK": "1",
    }.items():
        monkeypatch.setenv(name, value)
    added = command("connections", "add", "--user", user_id, "--connector", "mock", "--config", "{}")
    hook = ("--url", "http://127.0.0.1:9/hook", "--event", "*")
    subscribed = command("webhooks", "subscribe", "--user", user_id, *hook, "--json")
    assert (added.code, subscribed.code) == (0, 0), added.err + subscribed.err
    return {
        "CONNECTION": added.out.strip(),
        "SUBSCRIPTION": json.loads(subscribed.out)["id"],
        "OLD": path.read_text().partition(":")[0],
        "deploy/secrets/credential_keys": str(path),
    }


@pytest.mark.parametrize("lines", list(commands()))
def test_every_command_of_a_section_does_its_work(command, values, lines):
    for line in lines:
        answer = command(*(values.get(word, word) for word in shlex.split(line)))
        assert answer.code == 0, f"{line}: {answer.err or answer.out}"
