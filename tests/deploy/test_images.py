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

from tools import deployment
from worker import settings as settings_module
from worker.broker import Queue
from worker.credentials.local import parse_keys
from worker.local.environments import SECRETS
from worker.local.services import commands
from worker.schema.roles import DatabaseRole, read_login
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


def sources(service: dict[str, Any]) -> list[str]:
    """Return the secrets that a service reads, by the names of their files."""
    return [named if isinstance(named, str) else named["source"] for named in service.get("secrets", [])]


def targets(service: dict[str, Any]) -> list[str]:
    """Return the secrets that a service reads, by the names it finds them under."""
    return [named if isinstance(named, str) else named["target"] for named in service.get("secrets", [])]


def test_each_process_logs_in_to_the_database_as_itself() -> None:
    used = {name: found for name, service in OURS.items() for found in sources(service) if "database_url" in found}
    assert used.pop("roles").startswith("database_url")
    assert used.pop("migrate") == "database_url_migrate"
    assert used.pop("api") == "database_url_api"
    assert set(used.values()) == {"database_url_worker"}
    assert {name for name, service in OURS.items() if "database_url" in sources(service)} == {"roles"}


def test_a_service_holds_the_secrets_of_its_process_under_up() -> None:
    processes = {name.removeprefix("worker-"): service for name, service in SERVICES.items()}
    elsewhere = {"CREDENTIAL_KEYS_FILE", "VAULT_TOKEN", "VAULT_TOKEN_FILE", "HTTPS_PROXY", "NO_PROXY"}
    elsewhere |= {"REQUESTS_CA_BUNDLE", "FAULT_DIRECTORY", "FLOWER_BASIC_AUTH"}
    for name, known in SECRETS.items():
        held = {secret.upper() for secret in targets(processes[name]) if secret != "flower_conf"}
        assert held == known - elsewhere, name


def test_a_service_runs_the_program_of_its_process_under_up() -> None:
    for line in commands(flower_port=None):
        service = SERVICES.get(f"worker-{line.name}") or SERVICES[line.name]
        assert service["command"][:4] == ["python", *line.command[1:4]], line.name
        assert _option(service, "--queues") == _option({"command": list(line.command)}, "--queues")


def test_secrets_are_files_and_stand_nowhere_else() -> None:
    for service in SERVICES.values():
        assert set(sources(service)) <= set(COMPOSE["secrets"])
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|KEY|TOKEN|URL", name) or value.startswith("/run/secrets/")
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    assert "deploy/secrets" in (ROOT / ".gitignore").read_text()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_every_queue_has_a_worker_and_every_worker_a_known_queue() -> None:
    consumed = [queue for service in OURS.values() for queue in _option(service, "--queues").split(",") if queue]
    assert sorted(consumed) == sorted([*(queue.value for queue in Queue), "celery"])


def test_the_story_of_a_start_has_an_order() -> None:
    for name in OURS.keys() - {"roles", "migrate"}:
        assert SERVICES[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy", "required": False},
            "redis": {"condition": "service_healthy", "required": False},
            "migrate": {"condition": "service_completed_successfully"},
        }
    assert SERVICES["migrate"]["command"] == ["finmind-worker", "db", "upgrade"]
    assert SERVICES["migrate"]["depends_on"]["roles"] == {"condition": "service_completed_successfully"}


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
        assert ("credential_keys" in service["secrets"]) == (name not in {"beat", "flower", "roles"})


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
    assert {name for service in services for name in sources(service)} == set(COMPOSE["secrets"])


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


def test_the_deployment_story_looks_at_every_service_of_ours():
    assert set(deployment.SERVICES) == set(OURS) - {"roles", "migrate"}


def test_a_restore_stops_every_service_of_ours():
    page = (ROOT / "docs" / "operator" / "recover.md").read_text()
    (stopped,) = re.findall(r"(?m)^deploy/compose stop (.+)$", page)
    assert set(stopped.split()) == set(deployment.SERVICES)


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
    for role in ("migrate", "worker", "api"):
        login = read_login(DatabaseRole(f"finmind_{role}"), secrets[f"database_url_{role}"])
        assert login.name == f"finmind_{role}_login"
        assert len(login.password) > 30
        assert secrets[f"database_url_{role}"].endswith("@postgres:5432/finmind")
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


def test_log_ins_follow_a_database_of_your_own_and_keep_an_address_given_by_hand(tmp_path: Path) -> None:
    script = shutil.copy(ROOT / "deploy" / "make-secrets", tmp_path)
    subprocess.run([script], check=True, capture_output=True, timeout=30)
    secrets = tmp_path / "secrets"
    before = {role: (secrets / f"database_url_{role}").read_text() for role in ("migrate", "api")}
    address = "db.example.net:6432/app?sslmode=require&application_name=a|b"
    (secrets / "database_url").write_text(f"postgresql://owner:secret@{address}\n")
    (secrets / "database_url_worker").write_text("postgresql://finmind_worker_login:own@pooler:6432/app\n")
    for _ in range(2):
        subprocess.run([script], check=True, capture_output=True, timeout=30)
    for role, url in before.items():
        assert (secrets / f"database_url_{role}").read_text() == url.replace("postgres:5432/finmind", address)
    assert (secrets / "database_url_worker").read_text() == "postgresql://finmind_worker_login:own@pooler:6432/app\n"


def _option(service: dict[str, Any], name: str) -> str:
    command = service["command"]
    return str(command[command.index(name) + 1]) if name in command else ""


def test_the_wheel_can_be_built_from_what_is_copied_into_the_image(tmp_path: Path) -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"(?m)^COPY (.+)$", STAGES[0].replace("${LOCK}", "image.txt")):
        *wanted, target = line.split()
        for name in wanted:
            assert any(name == top or name.startswith(f"{top}/") for top in kept), f".dockerignore leaves {name} out"
            place = tmp_path / target / (Path(name).name if target.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(ROOT / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "wheels")]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    assert {"worker/schema.sql", "worker/api/sample_page_files/index.html"} <= set(zipfile.ZipFile(wheel).namelist())
