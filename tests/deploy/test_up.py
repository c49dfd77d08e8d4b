"""`deploy/up` in its order, seen by a program in Docker's place that writes down what it is asked.

`make deploy-test` does the same on a real engine; this says on every machine what comes before what.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.deploy_test import ROW_BYTES, statement

ROOT = Path(__file__).resolve().parents[2]
DOCKER = """#!/bin/sh
case "$*" in
  "compose config --services") printf '%s\\n' api beat flower postgres redis; exit ;;
  "compose ps --quiet worker-scheduled") printf '%s\\n' a b c; exit ;;
  "compose ps --quiet "*) echo a; exit ;;
  "image inspect"*".Id"*) echo "$5"; exit ;;
  "image inspect"*) echo 0.2.0; exit ;;
esac
echo "$WORKER_TAG $*" >> "$ASKED"
[ -z "$FAILS" ] || case "$*" in *"$FAILS"*) exit 1 ;; esac
"""


@pytest.fixture
def up(tmp_path):
    """Run `deploy/up` in a copy; return its exit code, what it printed and what Docker was asked."""
    (tmp_path / "worker").mkdir()
    shutil.copy(ROOT / "worker" / "__init__.py", tmp_path / "worker")
    (tmp_path / "deploy").mkdir()
    for name in ("up", "compose", "make-secrets"):
        shutil.copy(ROOT / "deploy" / name, tmp_path / "deploy")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(DOCKER)
    (tmp_path / "bin" / "docker").chmod(0o755)
    asked = tmp_path / "asked"

    def run(*arguments, fails="", profiles=""):
        asked.write_text("")
        environment = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "ASKED": str(asked),
            "FAILS": fails,
            "COMPOSE_PROFILES": profiles,
        }
        done = subprocess.run(
            [tmp_path / "deploy" / "up", *arguments],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr, [line.strip() for line in asked.read_text().splitlines()]

    return run


GROUPS = (
    "api",
    "beat",
    "--scale worker-scheduled=3 worker-webhooks worker-scheduled worker-heavy",
    "worker-interactive",
    "flower",
)
REPLACED = [f"compose up --detach --no-deps --no-build --wait {group}" for group in GROUPS]


def test_a_deployment_builds_and_migrates_before_it_replaces_anything(up):
    code, told, asked = up()
    assert (code, told.splitlines()[-1]) == (0, "version 0.2.0 is deployed")
    assert asked == [
        "next compose build --quiet migrate",
        "compose up --detach --no-deps --wait postgres redis",
        "next compose run --rm --no-deps roles",
        "next compose run --rm --no-deps migrate",
        "tag finmind-worker:latest finmind-worker:previous",
        "tag finmind-worker:next finmind-worker:latest",
        *REPLACED,
    ]


@pytest.mark.parametrize(
    ("fails", "says"),
    [
        ("build", "the image was not built; nothing was changed"),
        ("run --rm --no-deps roles", "the database roles were not made; the version before goes on"),
        ("run --rm --no-deps migrate", "the migration failed; the version before goes on"),
    ],
    ids=["a build that fails", "roles that are refused", "a migration that fails"],
)
def test_what_fails_before_the_end_of_the_migration_leaves_the_version_before_in_service(up, fails, says):
    code, told, asked = up(fails=f"{fails}")
    assert code == 1
    assert says in told
    assert not [line for line in asked if "tag" in line.split() or "api" in line]


def test_a_service_that_does_not_become_healthy_ends_the_deployment_and_names_the_way_back(up):
    code, told, asked = up(fails="--wait beat")
    assert code == 1
    assert "beat did not become healthy" in told
    assert "make rollback" in told
    assert REPLACED[2] not in asked, "the workers of the version before go on"


def test_a_rollback_takes_the_image_before_and_leaves_the_database_alone(up):
    code, _, asked = up("--rollback")
    assert code == 0
    assert asked[:3] == [
        "tag finmind-worker:latest finmind-worker:next",
        "tag finmind-worker:previous finmind-worker:latest",
        "tag finmind-worker:next finmind-worker:previous",
    ]
    assert asked[3:] == REPLACED


def test_monitoring_is_started_when_it_is_asked_for(up):
    assert up(profiles="monitoring")[2][-1] == "compose up --detach --no-deps --wait prometheus grafana"


def test_the_files_of_the_story_are_of_the_size_that_they_say():
    header, *rows = statement(1, 3).splitlines(keepends=True)
    assert header == "Date,Description,Amount,Currency\n"
    assert [len(row) for row in rows] == [ROW_BYTES] * 3
    assert len(set(rows)) == 3
