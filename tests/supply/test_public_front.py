"""The files at the project's door: they name what exists, and say the same as the project's own configuration."""

import json
import re
import tomllib
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        (".github/workflows/ci.yml", "github-workflows"),
        (".github/ISSUE_TEMPLATE/bug.yml", "github-issue-forms"),
        (".github/ISSUE_TEMPLATE/feature.yml", "github-issue-forms"),
        (".github/ISSUE_TEMPLATE/config.yml", "github-issue-config"),
        (".github/dependabot.yml", "dependabot"),
    ],
)
def test_files_for_github_follow_their_published_schema(file, schema):
    published = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{schema}.json"
    document = yaml.safe_load((ROOT / file).read_text())
    if True in document:  # YAML 1.1 reads the key `on` as a truth value
        document["on"] = document.pop(True)
    jsonschema.validate(document, json.loads(published.read_text()))


def test_every_python_and_every_postgres_that_is_promised_is_tested():
    matrix = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == promised
    assert matrix["postgres"] == ["16", "17", "18"]


def test_the_workflow_runs_targets_that_exist():
    commands = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    targets = {words[1] for words in (command.split() for command in commands) if words[0] == "make"}
    assert targets == {"check", "test", "test-roles", "release"}
    assert targets <= TARGETS


def test_the_guide_for_contributors_names_files_and_targets_that_exist():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:worker|tests|docs|deploy|examples|tools)/[a-z_./]*)`", guide))
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    assert set(re.findall(r"`make ([a-z-]+)", guide)) <= TARGETS


def test_a_bug_report_asks_for_the_run_and_the_file_and_warns_of_personal_data():
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text()
    assert "finmind-worker runs show RUN --rows --json" in form
    assert "finmind-worker files inspect FILE --json" in form
    required = [part for part in yaml.safe_load(form)["body"] if part.get("id") == "privacy"]
    assert required[0]["attributes"]["options"][0]["required"] is True


def test_pre_commit_runs_the_tools_of_the_lock():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    locked = (ROOT / "requirements" / "dev.txt").read_text()
    programs = {Path(hook["entry"].split()[0]).name for hook in repository["hooks"]}
    assert repository["repo"] == "local"
    assert programs == {"ruff", "mypy", "lint-imports"}
    assert all(re.search(rf"(?m)^{name}==", locked) for name in ("ruff", "mypy", "import-linter"))
