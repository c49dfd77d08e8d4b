"""What is built holds what it must, and starts with each extra alone, without anything that happens to be installed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.supply.environments import link
from tools.promises import PROMISES, BrokenPromiseError, Promise, keep
from tools.release import build, missing_from_sdist, missing_from_wheel, write_checksums
from worker.credentials.local import generate_key
from worker.local.redis import free_port

ROOT = Path(__file__).resolve().parents[2]
CHEAP = [(extra, promise) for extra, promises in PROMISES.items() for promise in promises if not promise.slow]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("dist"))


def test_every_file_of_a_release_has_its_checksum(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"wheel")
    (tmp_path / "sbom.cdx.json").write_bytes(b"{}")
    for _ in range(2):
        sums = write_checksums(tmp_path)
    command = ["sha256sum", "--check", "--strict", sums.name]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert checked.stdout.splitlines() == ["a.whl: OK", "sbom.cdx.json: OK"]


def test_the_workflow_of_a_release_attests_what_it_publishes():
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]["release"]["steps"]
    used = [step.get("uses", step.get("run", "")).partition("@")[0] for step in steps]
    assert (
        used.index("make release") < used.index("actions/attest-build-provenance") < used.index("actions/attest-sbom")
    )
    assert used[-1].startswith("gh release create")


@pytest.mark.parametrize("workflow", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_name_actions_by_their_commit(workflow):
    """Whoever moves a tag would sign releases as this workflow."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    used = [step["uses"] for job in jobs for step in job["steps"] if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name)] == []


@pytest.fixture(scope="module")
def environment_with(tmp_path_factory, built):
    """Make environments that hold the unpacked wheel and what an extra requires, linked from this environment."""
    made: dict[str, Path] = {}

    def make(extra: str) -> Path:
        if extra not in made:
            home = tmp_path_factory.mktemp(f"with-{extra or 'nothing'}")
            made[extra] = link(home, built[1], {"finmind-worker": extra})
            script = made[extra] / "finmind-worker"
            script.write_text(f"#!{home}/bin/python\nimport sys\nfrom worker.__main__ import main\nsys.exit(main())\n")
            script.chmod(0o755)
        return made[extra]

    return make


def test_the_wheel_and_the_sdist_hold_what_they_must(built):
    sdist, wheel = built
    assert (missing_from_sdist(sdist), missing_from_wheel(wheel)) == ([], [])


def test_the_package_says_one_version_everywhere(built):
    from worker import __version__

    client = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]
    assert client["version"] == __version__
    assert all(__version__ in path.name for path in built)
    assert f"\n## {__version__} - " in (Path(__file__).parents[2] / "CHANGELOG.md").read_text()


@pytest.mark.processes
@pytest.mark.parametrize(("extra", "promise"), CHEAP, ids=[f"{extra or 'no extra'}: {p.says}" for extra, p in CHEAP])
def test_an_installation_with_one_extra_alone_does_what_it_promises(
    extra, promise, environment_with, database_url, redis_url, tmp_path
):
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "CREDENTIAL_KEYS": generate_key(),
        "API_PORT": str(free_port()),
        "HOME": str(tmp_path),
        "FINMIND_HEALTH_DIR": str(tmp_path / "health"),
    }
    keep(promise, environment_with(extra), environment, tmp_path)


@pytest.mark.parametrize(
    "promise",
    [
        Promise(says="ends with another exit code", command=("python", "-c", "raise SystemExit(3)")),
        Promise(says="ends before it is ready", command=("python", "-c", "print('off')"), ready="on"),
    ],
    ids=lambda promise: promise.says,
)
def test_a_promise_that_is_not_kept_is_told(promise, tmp_path):
    with pytest.raises(BrokenPromiseError, match="exit code"):
        keep(promise, Path(sys.executable).parent, {}, tmp_path)
