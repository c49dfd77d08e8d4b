"""Prometheus' own tool, which judges rules; run this file to install it (`make promtool` does).

It is part of Debian's package `prometheus`, which is unpacked, not installed: no server starts and root is not needed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "finmind-promtool"
PROGRAM = FOLDER / "usr" / "bin" / "promtool"


def installed() -> Path | None:
    """Return the program, from the PATH or as `make promtool` left it."""
    found = shutil.which("promtool")
    return Path(found) if found else PROGRAM if PROGRAM.exists() else None


def promtool(*arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it; skips the test where there is none."""
    program = installed()
    if program is None:
        pytest.skip("promtool is not installed: `make promtool` unpacks Debian's")
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, input=given
    )


def install() -> None:
    """Unpack Debian's package into the cache."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["apt-get", "download", "prometheus"], cwd=place, check=True)
        (package,) = Path(place).glob("prometheus_*.deb")
        FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "--extract", package, FOLDER], check=True)
    subprocess.run([PROGRAM, "--version"], check=True)


if __name__ == "__main__":
    sys.exit(install() if installed() is None else 0)
