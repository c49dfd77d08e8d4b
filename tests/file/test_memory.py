"""Memory does not grow with the file: three times the rows, the same peak."""

import gc
import tracemalloc
from datetime import date
from pathlib import Path

import pytest

from benchmarks.statement_files import SHAPES, write
from tests.file.reader import connector, since
from worker.connectors.file.config import FileConfig
from worker.connectors.file.reading import read, understand
from worker.connectors.file.statement.events import Row
from worker.connectors.file.statement.files import Member
from worker.connectors.file.statement.shared_cache import _Budget


def peak_of(path: Path) -> int:
    """Deliver a file page by page, keeping nothing, and return the peak of Python's memory in bytes."""
    path.write_text(path.read_text() + "\n")  # other bytes: nothing of the file is known from before
    bank = connector(path)
    tracemalloc.start()
    try:
        [account] = bank.list_accounts()
        rows = sum(len(page.transactions) for page in bank.refresh(since(account, None)))
        assert rows
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", SHAPES)
def test_three_times_the_rows_take_the_same_memory(tmp_path, monkeypatch, name):
    monkeypatch.setattr("worker.connectors.file.connector._PAGE_ROWS", 100)
    monkeypatch.setattr("worker.connectors.file.statement.shared_cache._BUDGET", _Budget(0))
    small, large = tmp_path / f"small.{name}", tmp_path / f"large.{name}"
    row_bytes = len(SHAPES[name].row(1000, date(2026, 1, 1)))
    write(small, SHAPES[name], 300 * row_bytes)
    write(large, SHAPES[name], 900 * row_bytes)
    peak_of(large)  # fills the caches of amounts and days, which are bounded
    # six hundred rows kept would be over a megabyte; the watch over ids of OFX grows a little, up to its bound
    assert peak_of(large) < peak_of(small) + 500_000


@pytest.mark.parametrize("name", SHAPES)
def test_no_row_leaves_objects_that_refer_to_one_another(tmp_path, name):
    """An import switches the collection of cycles off: what they hold would stay until its end."""
    path = tmp_path / f"statement.{name}"
    rows = write(path, SHAPES[name], rows=300)
    choices = FileConfig(path=path).choices()
    understood = understand(Member(path), choices)
    gc.collect()
    gc.disable()
    try:
        assert sum(isinstance(event, Row) for event in read(understood, choices)) == rows
        assert gc.collect() < rows / 2
    finally:
        gc.enable()
