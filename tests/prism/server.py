"""Prism serving a provider's published API description; run this file to install it (`make prism` does).

It lives in a cache beside the user's others, never in the checkout. Started as `node …`, because stopping `npx` would
leave the server behind.
"""

import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.published import Published

VERSION = "5.14.2"
FOLDER = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "finmind-prism" / VERSION
PROGRAM = FOLDER / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
START_S = 60


def install() -> None:
    """Install the pinned Prism into the cache, once."""
    if PROGRAM.is_file():
        return
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("Prism needs Node 20 and npm on the PATH")
    FOLDER.mkdir(parents=True, exist_ok=True)
    package = f"@stoplight/prism-cli@{VERSION}"
    subprocess.run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", package], cwd=FOLDER, check=True)


def require(published: Published) -> str:
    """Return the path of node, or skip with the reason why Prism cannot run here."""
    if not published.path.is_file():
        pytest.skip(f"the published description {published.path.name} is not beside the checkout")
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on the PATH: Prism needs it")
    if not PROGRAM.is_file():
        if not os.environ.get("PRISM"):
            pytest.skip("Prism is not installed: `make prism` installs and runs it")
        install()
    return node


@contextmanager
def prism(published: Published) -> Iterator[str]:
    """Serve a description; yields the base URL."""
    node = require(published)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [node, str(PROGRAM), "mock", str(published.path), "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process, lines))
    reader.start()
    try:
        _wait(lines)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        reader.join(10)


def _read(process: subprocess.Popen[str], lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _wait(lines: "queue.Queue[str | None]") -> None:
    said = []
    while (line := lines.get(timeout=START_S)) is not None:
        said.append(line)
        if "Prism is listening" in line:
            return
    raise AssertionError("Prism did not start: " + "".join(said[-5:]))


if __name__ == "__main__":
    install()
