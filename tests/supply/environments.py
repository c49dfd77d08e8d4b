"""Environments that hold an unpacked wheel and what it requires, linked from the environment of the tests."""

import csv
import re
import sys
import venv
import zipfile
from collections import defaultdict
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(distribution: metadata.Distribution, extras: set[str]) -> list[Requirement]:
    wanted = [Requirement(line) for line in distribution.requires or ()]
    return [
        found
        for found in wanted
        if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in extras | {""})
    ]


def closure(roots: dict[str, str], packages: Path) -> set[str]:
    """Return the names of all distributions that these bring, each with its extra, and of no others."""
    known = {normal(found.name): found for found in metadata.distributions()}
    known |= {normal(found.name): found for found in metadata.distributions(path=[str(packages)])}
    seen: set[tuple[str, str]] = set()
    waiting = list(roots.items())
    while waiting:
        name, asked = waiting.pop()
        if (name, asked) in seen or name not in known:
            continue
        seen.add((name, asked))
        for requirement in required(known[name], {asked}):
            waiting += [(normal(requirement.name), wanted) for wanted in requirement.extras | {""}]
    return {name for name, _ in seen} - {"finmind-worker", "finmind-worker-client"}


@cache
def installed() -> tuple[tuple[str, str, Path], ...]:
    """Return every file of every distribution of this environment: whose it is, its path, and below which folder."""
    files = []
    for found in metadata.distributions():
        name, folder = normal(found.name), Path(str(found.locate_file("")))
        rows = csv.reader((found.read_text("RECORD") or "").splitlines())
        files += [(name, row[0], folder) for row in rows if not row[0].startswith(("../", "__pycache__/"))]
    return tuple(files)


def link(home: Path, wheel: Path, roots: dict[str, str]) -> Path:
    """Make an environment in `home` with the unpacked wheel and what the roots require; return its programs' folder."""
    venv.create(home, with_pip=False, symlinks=True)
    packages = home / "lib" / PYTHON / "site-packages"
    zipfile.ZipFile(wheel).extractall(packages)
    wanted = closure(roots, packages)
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
    return home / "bin"
