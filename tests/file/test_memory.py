"""Memory does not grow with the file: three times the rows, the same peak."""

import tracemalloc
from datetime import date
from pathlib import Path

import pytest

from benchmarks.statement_files import SHAPES, write
from tests.file.reader import connector, since


def peak_of(path: Path) -> int:
    """Deliver a file page by page, keeping nothing, and return the peak of Python's memory in bytes."""
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
    small, large = tmp_path / f"small.{name}", tmp_path / f"large.{name}"
    row_bytes = len(SHAPES[name].row(1000, date(2026, 1, 1)))
    write(small, SHAPES[name], 300 * row_bytes)
    write(large, SHAPES[name], 900 * row_bytes)
    peak_of(large)  # fills the caches of amounts and days, which are bounded
    # six hundred rows kept would be over a megabyte; the watch over ids of OFX grows a little, up to its bound
    assert peak_of(large) < peak_of(small) + 500_000
