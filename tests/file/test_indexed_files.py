"""What is stored beside the files of a drop folder: another process reads only what is new, and nothing is trusted."""

from pathlib import Path

import pytest

from tests.file.ofx.test_statements import bank, row
from tests.file.reader import read
from worker.connectors.file import folder as folder_module
from worker.connectors.file.config import FileConfig
from worker.connectors.file.folder import Folder
from worker.connectors.file.indexed_files import INDEX_FOLDER, FilesReadBefore
from worker.connectors.file.inspection import report

CSV = "Date,Description,Amount\n2026-01-01,Shop,-10.00\n2026-01-03,Fuel,-1.00\n"
CUT = "OFXHEADER:100\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR<ACCTID>1<STMTTRN><TRNAMT>1"


@pytest.fixture
def drop(tmp_path) -> Path:
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.ofx").write_text(bank(row(fitid="A-2026-1") + row(fitid="A-2026-2")))
    (tmp_path / "c.ofx").write_text(CUT)
    return tmp_path


@pytest.fixture
def new_process(monkeypatch):
    """Forget what this process has read, as another process would not know it."""
    return lambda: monkeypatch.setattr(folder_module, "_READ_BEFORE", FilesReadBefore())


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Names of the files that were read from beginning to end."""
    names: list[str] = []
    real = folder_module.index_file

    def watched(member, *rest):
        names.append(member.name)
        return real(member, *rest)

    monkeypatch.setattr(folder_module, "index_file", watched)
    return names


def inspect(path: Path) -> dict:
    return report(Folder.inspect(FileConfig(path=path), remember=True))


def test_another_process_reads_only_the_new_file_and_finds_the_same(drop, new_process, opened):
    first = inspect(drop)
    assert sorted(opened) == ["a.csv", "b.ofx", "c.ofx"]
    new_process()
    (drop / "d.csv").write_text(CSV.replace("01-01", "01-02"))
    opened.clear()
    second = inspect(drop)
    assert opened == ["d.csv"]
    assert [one for one in second["files"] if one["file"] != "d.csv"] == first["files"]
    assert second["refused"] == first["refused"]


def test_ids_are_judged_over_files_that_another_process_read(tmp_path, new_process):
    (tmp_path / "a.ofx").write_text(bank(row("-1.00", fitid="X-20001") + row("-2.00", fitid="X-20002")))
    inspect(tmp_path)
    new_process()
    (tmp_path / "b.ofx").write_text(bank(row("-1.00", fitid="X-30001") + row("-2.00", fitid="X-30002")))
    [account] = read(tmp_path).accounts
    assert account.id_class == "none"


@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 2}', b'{"summary": {"bad_count": "many"}}', b"\xff" * 50])
def test_what_is_stored_is_never_needed_and_never_trusted(drop, new_process, opened, damage):
    first = inspect(drop)
    for stored in (drop / INDEX_FOLDER).iterdir():
        stored.write_bytes(damage)
    new_process()
    opened.clear()
    assert inspect(drop) == first
    assert len(opened) == 3


def test_what_a_person_states_or_another_content_is_another_entry(drop, new_process, opened):
    inspect(drop)
    new_process()
    opened.clear()
    Folder.inspect(FileConfig(path=drop, account={"currency": "CHF"}), remember=True)
    assert len(opened) == 3
    new_process()
    (drop / "a.csv").write_text(CSV + "2026-01-04,Bar,-2.00\n")
    opened.clear()
    inspect(drop)
    assert opened == ["a.csv"]


def test_entries_of_files_that_are_gone_go_too(drop):
    inspect(drop)
    (drop / "b.ofx").unlink()
    inspect(drop)
    assert len(list((drop / INDEX_FOLDER).iterdir())) == 2


def test_a_single_file_leaves_nothing_beside_it(drop):
    inspect(drop / "a.csv")
    assert not (drop / INDEX_FOLDER).exists()


def test_looking_at_a_folder_writes_nothing(drop):
    Folder.inspect(FileConfig(path=drop))
    assert not (drop / INDEX_FOLDER).exists()
