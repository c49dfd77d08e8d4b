"""docs/connectors.md does what it says: its files are the example's, and its commands work in a clean environment."""

import json
import os
import re
import site
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_S
from worker.connectors.base import Capabilities
from worker.connectors.mock import MockConfig
from worker.connectors.testing.checks import ALL_CHECKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "connector"
FILES = dict(re.findall(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """A clean environment that sees the worker and its libraries, and the files of the page in a folder."""
    home = tmp_path_factory.mktemp("newcomer")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "env"], check=True)
    packages = next((home / "env" / "lib").glob("python*")) / "site-packages"
    seen = [*site.getsitepackages(), str(ROOT)]
    (packages / "worker.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in seen))
    for name, text in FILES.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    return home


def run(command: str, home: Path) -> str:
    spelled = re.sub(r"^finmind-worker\b", "python -m worker", command)  # its script belongs to another environment
    offline = {
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    environment = {**os.environ, **offline, "PATH": f"{home / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        spelled, shell=True, cwd=home, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_files_of_the_page_are_the_example():
    assert set(FILES) == {"pyproject.toml", "acme_bank.py", "tests/test_acme.py"}
    assert {name: (EXAMPLE / name).read_text(encoding="utf-8") for name in FILES} == FILES


def test_the_example_package_is_under_a_hundred_lines():
    assert sum(FILES[name].count("\n") for name in ("pyproject.toml", "acme_bank.py")) < 100


def test_a_newcomer_gets_from_nothing_to_a_passing_connector(newcomer):
    install, tests, connectors = COMMANDS
    run(install, newcomer)
    assert re.search(r"\d{2} passed", run(tests, newcomer))
    assert "Acme Bank" in run(connectors, newcomer)
    found = {row["name"]: row for row in json.loads(run(f"{connectors} --json", newcomer))}
    assert found["acme"]["package"] == "finmind-connector-acme 1.0.0"


def test_the_page_names_every_check_every_promise_and_every_field_of_the_mock():
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE)[-len(ALL_CHECKS) :] == [
        check.name for check in ALL_CHECKS
    ]
    promises = {field.name for field in fields(Capabilities)}
    assert promises <= set(re.findall(r"`(\w+)`", PAGE.partition("## What to promise")[2].partition("##")[0]))
    assert set(MockConfig.model_fields) <= set(re.findall(r"^\| `(\w+)` \| [^|]+ \| ", PAGE, re.MULTILINE))
