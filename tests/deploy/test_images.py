"""The image and the compose file, as far as they can be judged without a container engine."""

import base64
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from worker import settings as settings_module
from worker.broker import Queue
from worker.credentials.local import parse_keys
from worker.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("finmind-worker:")}
STAGES = re.split(r"(?m)^FROM ", (ROOT / "Dockerfile").read_text())[1:]


def test_the_compose_file_follows_the_published_schema() -> None:
    published = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(COMPOSE, json.loads(published.read_text()))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] != "0"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["healthcheck"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_secrets_are_files_and_stand_nowhere_else() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|KEY|TOKEN|URL", name) or value.startswith("/run/secrets/")
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    assert "deploy/secrets" in (ROOT / ".gitignore").read_text()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_every_queue_has_a_worker_and_every_worker_a_known_queue() -> None:
    consumed = [queue for service in OURS.values() for queue in _option(service, "--queues").split(",") if queue]
    assert sorted(consumed) == sorted([*(queue.value for queue in Queue), "celery"])


def test_the_story_of_a_start_has_an_order() -> None:
    for name in OURS.keys() - {"migrate"}:
        assert SERVICES[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy", "required": False},
            "redis": {"condition": "service_healthy", "required": False},
            "migrate": {"condition": "service_completed_successfully"},
        }
    assert SERVICES["migrate"]["command"] == ["finmind-worker", "db", "upgrade"]


@pytest.mark.parametrize("name", ["own-postgres", "own-redis", "finmind"])
def test_an_overlay_follows_the_schema_and_names_services_and_networks_that_exist(name: str) -> None:
    overlay = yaml.safe_load((ROOT / "deploy" / f"compose.{name}.yml").read_text())
    published = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(overlay, json.loads(published.read_text()))
    networks = {**COMPOSE["networks"], **overlay.get("networks", {})}
    assert set(overlay["services"]) <= set(SERVICES)
    for service in overlay["services"].values():
        assert set(service.get("networks", ())) <= set(networks)


@pytest.mark.parametrize(
    ("database_url", "redis_url", "network", "files"),
    [
        ("postgresql://finmind:p@postgres:5432/finmind", "redis://:p@broker:6379/0", "", []),
        ("postgresql://finmind:p@postgres:5432/finmind", "redis://:p@redis:6379/0", "", []),
        (
            "postgresql://ada:p%40@db.test/finmind?sslmode=require",
            "redis://:p@broker:6379/0",
            "",
            ["own-postgres"],
        ),
        ("postgresql://finmind:p@postgres:5432/finmind", "rediss://:p@cache.example.test:6380/1", "", ["own-redis"]),
        ("postgresql://db.example.test/finmind", "redis://cache.example.test", "", ["own-postgres", "own-redis"]),
        ("postgresql://finmind:p@postgres:5432/finmind", "redis://:p@broker:6379/0", "finmind_default", ["finmind"]),
    ],
    ids=["bundled", "bundled, as made by an older version", "own Postgres", "own Redis", "both", "beside FinMind"],
)
def test_the_files_that_compose_reads_follow_from_the_addresses(
    database_url: str, redis_url: str, network: str, files: list[str], tmp_path: Path
) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "compose", tmp_path / "deploy")
    shutil.copy(ROOT / "deploy" / "make-secrets", tmp_path / "deploy")
    subprocess.run([tmp_path / "deploy" / "make-secrets"], check=True, capture_output=True, timeout=30)
    (tmp_path / "deploy" / "secrets" / "database_url").write_text(f"{database_url}\n")
    (tmp_path / "deploy" / "secrets" / "redis_url").write_text(f"{redis_url}\n")
    seen = tmp_path / "docker"
    seen.write_text('#!/bin/sh\necho "$COMPOSE_FILE $SECRETS_DIGEST $*"\n')
    seen.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "FINMIND_NETWORK": network}

    def ask() -> tuple[str, str]:
        asked = [tmp_path / "deploy" / "compose", "ps"]
        printed = subprocess.run(asked, env=environment, check=True, capture_output=True, text=True, timeout=30).stdout
        used, digest, *command = printed.split()
        assert command == ["compose", "ps"]
        return used, digest

    used, digest = ask()
    assert used.split(":") == ["docker-compose.yml", *(f"deploy/compose.{name}.yml" for name in files)]
    (tmp_path / "deploy" / "secrets" / "jwt_secret").write_text("another\n")
    assert ask()[1] != digest, "a changed secret would not be taken up"


def test_servers_have_no_way_out_and_keep_their_data() -> None:
    assert COMPOSE["networks"]["data"]["internal"] is True
    for name in ("postgres", "redis"):
        assert list(SERVICES[name]["networks"]) == ["data"]
        assert SERVICES[name]["volumes"]
    command = SERVICES["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_workers_may_finish_and_only_those_who_need_it_hold_the_keys() -> None:
    for name, service in OURS.items():
        if name.startswith("worker-"):
            assert service["stop_grace_period"] == "120s"
        assert ("credential_keys" in service["secrets"]) == (name not in {"beat", "flower"})


def test_the_api_and_those_who_import_share_one_folder_that_the_image_made_for_them() -> None:
    folder = SERVICES["api"]["environment"]["STATEMENT_FOLDER"]
    sharing = {name for name, service in SERVICES.items() if f"statements:{folder}" in service.get("volumes", [])}
    assert sharing == {"api", "worker-interactive", "worker-scheduled", "worker-heavy"}
    assert all(SERVICES[name]["environment"]["STATEMENT_FOLDER"] == folder for name in sharing)
    assert f"--owner worker --group worker --mode 0700 {folder}" in STAGES[1]


def test_the_api_is_probed_where_it_listens_and_its_extra_is_in_the_image() -> None:
    api, port = SERVICES["api"], Settings.model_fields["api_port"].default
    assert api["command"] == ["finmind-worker", "api", "--host", "0.0.0.0"]
    assert f"http://127.0.0.1:{port}/health" in api["healthcheck"]["test"][-1]
    assert api["ports"] == [f"127.0.0.1:{port}:{port}"]
    locked = (ROOT / "requirements" / "runtime.txt").read_text()
    assert all(re.search(rf"(?m)^{name}==", locked) for name in ("fastapi", "uvicorn", "python-multipart", "jinja2"))


def test_every_environment_variable_of_ours_is_a_setting() -> None:
    named = {name for service in OURS.values() for name in service.get("environment", {})}
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_networks_and_volumes_are_declared_and_used() -> None:
    services = SERVICES.values()
    assert {name for service in services for name in service["networks"]} == set(COMPOSE["networks"])
    mounted = {volume.split(":")[0] for service in services for volume in service.get("volumes", [])}
    assert {name for name in mounted if not name.startswith("./")} == set(COMPOSE["volumes"])
    assert {name for service in services for name in service.get("secrets", [])} == set(COMPOSE["secrets"])


def test_every_mounted_file_exists() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", []) if volume[0] == "."]
    assert mounted
    for volume in mounted:
        source, _, mode = volume.split(":")
        assert (ROOT / source).exists(), source
        assert mode == "ro"


def test_images_name_their_version() -> None:
    others = {service["image"] for name, service in SERVICES.items() if name not in OURS}
    for image in others | {stage.split()[0] for stage in STAGES}:
        assert re.search(r":v?\d", image), image


def test_make_deploy_is_not_taken_for_the_folder_of_that_name() -> None:
    asked = ["make", "--dry-run", "deploy"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said == "deploy/up\n"


@pytest.mark.skipif(shutil.which("hadolint", path=str(Path(sys.executable).parent)) is None, reason="no hadolint here")
def test_the_dockerfile_is_clean() -> None:
    program = Path(sys.executable).parent / "hadolint"
    found = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_final_image_has_no_root_and_no_tools_to_build_with() -> None:
    build, final = STAGES
    assert "--require-hashes -r requirements/${LOCK}" in build
    assert "pip uninstall" in build
    assert "pip uninstall" in final
    assert re.search(r"(?m)^USER 10001:10001$", final)
    assert not re.search(r"apt-get|apk |pip install|gcc|COPY \.", final)
    assert set(re.findall(r"(?m)^ARG (\w+)", build + final)) == {"LOCK", "VERSION", "REVISION"}


def test_the_wheel_holds_what_the_worker_reads_at_run_time(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"worker/schema.sql", "worker/py.typed", "worker/app.py"} <= names
    assert {f"worker/migrations/{name}" for name in ("env.py", "versions/r0001_baseline.sql")} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_secrets_are_made_once_and_fit_their_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = shutil.copy(ROOT / "deploy" / "make-secrets", tmp_path)
    for _ in range(2):
        made = subprocess.run([script], check=True, capture_output=True, text=True, timeout=30)
    assert made.stdout == ""
    secrets = {path.name: path.read_text().strip() for path in (tmp_path / "secrets").iterdir()}
    assert set(COMPOSE["secrets"]) <= set(secrets)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert secrets["postgres_password"] in secrets["database_url"]
    assert secrets["redis_conf"] == f"requirepass {secrets['redis_password']}"
    assert secrets["ops_basic_auth"] == f"operator:{secrets['ops_password']}"
    assert len(base64.b64decode(secrets["credential_keys"].partition(":")[2])) == 32
    parse_keys(secrets["credential_keys"], source="the file")

    for name in [name for name in os.environ if name.endswith("_URL") or name.startswith(("CREDENTIAL", "JWT"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings_module, "MOUNTED_SECRETS", tmp_path / "secrets")
    loaded = load_settings()
    assert loaded.database_url.get_secret_value() == secrets["database_url"]
    assert loaded.redis_url.get_secret_value() == secrets["redis_url"]
    assert loaded.credential_keys is not None
    assert loaded.jwt_secret is not None
    assert loaded.jwt_secret.get_secret_value() == secrets["jwt_secret"]


def _option(service: dict[str, Any], name: str) -> str:
    command = service["command"]
    return str(command[command.index(name) + 1]) if name in command else ""
