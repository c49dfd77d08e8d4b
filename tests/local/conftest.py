"""A folder that servers can reach, also when the tests run as root."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="finmind-test-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition about another process holds; fail after a bound."""

    def wait(condition: Callable[[], bool], *, within_s: float = 20) -> None:
        deadline_s = monotonic() + within_s
        while not condition():
            assert monotonic() < deadline_s, "it did not come true"
            sleep(0.05)

    return wait
