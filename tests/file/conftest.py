from collections.abc import Callable
from pathlib import Path

import pytest

from tests.file.reader import Reading, read


@pytest.fixture
def statement(tmp_path: Path) -> Callable[..., Path]:
    """Write a statement file and return its path."""

    def write(content: str | bytes, name: str = "statement.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def reading(statement) -> Callable[..., Reading]:
    """Write a statement file and read it as the importer would."""

    def write_and_read(
        content: str | bytes, *, name: str = "statement.csv", encoding: str = "utf-8", **stated: object
    ) -> Reading:
        return read(statement(content, name, encoding), **stated)

    return write_and_read
