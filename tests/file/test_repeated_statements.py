"""Files that were put together hold a statement twice: each of its rows is imported once, and a remark says so."""

from decimal import Decimal

import pytest

from tests.file.mutants.samples import SAMPLES
from tests.file.ofx.test_statements import bank, row
from tests.file.reader import read

TWICE = [sample for sample in SAMPLES if sample.name not in {"camt", "csv-german"}]


@pytest.mark.parametrize("sample", TWICE, ids=lambda sample: sample.name)
def test_a_file_that_was_put_behind_itself_gives_each_row_once(tmp_path, sample):
    (tmp_path / f"twice.{sample.suffix}").write_bytes((sample.text * 2).encode(sample.encoding))
    found = read(tmp_path)
    assert len(found.rows) == 12
    said = ("stands in the file before", "a row of an earlier statement in the file")
    assert any(sentence in warning for warning in found.warnings for sentence in said)
    assert not found.pages[-1].failures


@pytest.mark.parametrize("rows", [1, 20_100])
def test_large_files_leave_out_the_same_rows_when_they_are_read_again(tmp_path, rows):
    table = "Date,Description,Amount\n" + "".join(f"2026-01-{n % 28 + 1:02},Shop {n},-1.50\n" for n in range(rows))
    (tmp_path / "twice.csv").write_text(table * 2)
    assert len(read(tmp_path).rows) == rows


def test_two_exports_in_one_file_give_the_rows_that_they_share_once_as_two_files_do(tmp_path):
    table = "Date,Description,Amount\n2026-01-01,Shop,-10.00\n2026-01-03,Fuel,-1.00\n"
    (tmp_path / "two.csv").write_text(table + table.replace("Fuel", "Bus"))
    assert sorted(row.description for row in read(tmp_path).rows) == ["Bus", "Fuel", "Shop"]


def test_statements_of_one_ofx_file_that_share_days_give_each_row_once(tmp_path):
    first = bank(row("-1.00", "20260115", "A-2026-1") + row("-2.00", "20260120", "A-2026-2"))
    second = bank(row("-2.00", "20260120", "A-2026-2") + row("-3.00", "20260125", "A-2026-3"))
    (tmp_path / "two.ofx").write_text(first + second)
    found = read(tmp_path)
    assert sorted(found.amounts) == [Decimal("-3.00"), Decimal("-2.00"), Decimal("-1.00")]
    assert found.accounts[0].id_class == "stable"
