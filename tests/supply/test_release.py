"""What is built holds what it must, and starts with each extra alone, without anything that happens to be installed."""

import csv
import re
import sys
import venv
import zipfile
from collections import defaultdict
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools.promises import PROMISES, BrokenPromiseError, Promise, keep
from tools.release import build, missing_from_sdist, missing_from_wheel
from worker.credentials.local import generate_key
from worker.local.redis import free_port

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
CHEAP = [(extra, promise) for extra, promises in PROMISES.items() for promise in promises if not promise.slow]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("dist"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(distribution: metadata.Distribution, extras: set[str]) -> list[Requirement]:
    wanted = [Requirement(line) for line in distribution.requires or ()]
    return [
        found
        for found in wanted
        if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in extras | {""})
    ]


def closure(extra: str, packages: Path) -> set[str]:
    """Return the names of all distributions that an installation with this extra brings, and of no others."""
    known = {normal(found.name): found for found in metadata.distributions()}
    known |= {normal(found.name): found for found in metadata.distributions(path=[str(packages)])}
    seen: set[tuple[str, str]] = set()
    waiting = [("finmind-worker", extra)]
    while waiting:
        name, asked = waiting.pop()
        if (name, asked) in seen or name not in known:
            continue
        seen.add((name, asked))
        for requirement in required(known[name], {asked}):
            waiting += [(normal(requirement.name), wanted) for wanted in requirement.extras | {""}]
    return {name for name, _ in seen} - {"finmind-worker"}


@pytest.fixture(scope="module")
def environment_with(tmp_path_factory, built):
    """Make environments that hold the unpacked wheel and what an extra requires, linked from this environment."""
    made: dict[str, Path] = {}

    def make(extra: str) -> Path:
        if extra not in made:
            made[extra] = link(tmp_path_factory.mktemp(f"with-{extra or 'nothing'}"), built[1], extra)
        return made[extra]

    return make


@cache
def installed() -> tuple[tuple[str, str, Path], ...]:
    """Return every file of every distribution of this environment: whose it is, its path, and below which folder."""
    return tuple(
        (normal(found.name), row[0], Path(str(found.locate_file(""))))
        for found in metadata.distributions()
        for row in csv.reader((found.read_text("RECORD") or "").splitlines())
        if not row[0].startswith(("../", "__pycache__/"))
    )


def link(home: Path, wheel: Path, extra: str) -> Path:
    venv.create(home, with_pip=False, symlinks=True)
    packages = home / "lib" / PYTHON / "site-packages"
    zipfile.ZipFile(wheel).extractall(packages)
    wanted = closure(extra, packages)
    owners: dict[str, set[str]] = defaultdict(set)
    for name, file, _ in installed():
        owners[file.partition("/")[0]].add(name)
    for name, file, origin in installed():
        if name in wanted:
            # A folder of one distribution is linked whole, with what Python compiled of it; namespaces file by file.
            top = file.partition("/")[0]
            linked = top if len(owners[top]) == 1 else file
            if not (packages / linked).exists():
                (packages / linked).parent.mkdir(parents=True, exist_ok=True)
                (packages / linked).symlink_to(origin / linked)
    script = home / "bin" / "finmind-worker"
    script.write_text(f"#!{home}/bin/python\nimport sys\nfrom worker.__main__ import main\nsys.exit(main())\n")
    script.chmod(0o755)
    return home / "bin"


def test_the_wheel_and_the_sdist_hold_what_they_must(built):
    sdist, wheel = built
    assert (missing_from_sdist(sdist), missing_from_wheel(wheel)) == ([], [])


def test_the_package_says_one_version_everywhere(built):
    from worker import __version__

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
