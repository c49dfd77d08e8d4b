"""The command line in this process, against a database of its own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from worker.cli import environment
from worker.cli.main import run


class Answer(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch, tmp_path: Path):
    for name in ("DATABASE_URL", "REDIS_URL", "CREDENTIAL_KEYS", "FINMIND_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    environment.settings.cache_clear()
    yield
    environment.settings.cache_clear()
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def addressed(monkeypatch, database_url, redis_url):
    """The environment of a command says where this test's servers are."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)


@pytest.fixture
def command(capsys) -> Callable[..., Answer]:
    """Run one command line."""

    def invoke(*arguments: object) -> Answer:
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return invoke
