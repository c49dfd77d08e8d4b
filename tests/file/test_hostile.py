"""Files made to harm, and files that broke on the way: refused with line and reason, in bounded time and memory."""

import gzip
import io
import signal
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.file.camt.test_statements import entry, statement
from tests.file.ofx.test_statements import bank, row
from tests.file.reader import read
from tests.file.sheets import sparse_ods, sparse_xlsx
from worker.connectors.errors import InvalidDataError, ProviderUnavailableError

CSV = "Date,Description,Amount\n2026-01-31,Rent,-5.00\n"
BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>&b;</BkToCstmrStmt></Document>"""


def zipped(*entries: tuple[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


def listing(entries: bytes) -> bytes:
    """A zip file whose list of entries is these bytes."""
    begun = zipped(("a.csv", CSV.encode())).partition(b"PK\x01\x02")[0]
    return begun + entries + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entries), len(begun), 0)


HOSTILE = {
    "entities in CAMT": (BOMB, "document type or entities"),
    "an external entity in CAMT": (
        BOMB.replace('<!ENTITY a "lol">', '<!ENTITY x SYSTEM "file:///etc/passwd">').replace("&b;", "&x;"),
        "document type or entities",
    ),
    "an external document type": (
        statement(entry()).replace("<Document", '<!DOCTYPE Document SYSTEM "http://localhost/x.dtd"><Document', 1),
        "document type or entities",
    ),
    "entities in OFX": (
        bank(row()).replace("<OFX>", '<!DOCTYPE OFX [<!ENTITY a "x">]><OFX>', 1),
        "document type or entities",
    ),
    "XML nested a hundred deep": (
        statement("<Ntry>" + "<a>" * 100 + "</a>" * 100 + "</Ntry>"),
        "nested too deeply",
    ),
    "an attribute of two million bytes": (
        statement(entry()).replace("<Stmt>", f"<Stmt a='{'x' * 2_000_000}'>"),
        "longer than a million bytes",
    ),
    "an entry of two million children": (
        statement(f"<Ntry>{'<a/>' * 250_000}</Ntry>"),
        "larger than any bank's",
    ),
    "a text of ten million characters": (
        statement(entry(more=f"<AddtlNtryInf>{'x ' * 5_000_000}</AddtlNtryInf>")),
        "larger than any bank's",
    ),
    "an encoding that does not exist": (
        statement(entry()).replace('version="1.0"', 'version="1.0" encoding="UTF-99"'),
        "encoding that cannot be read",
    ),
    "an encoding of several bytes a letter": (
        statement(entry()).replace('version="1.0"', 'version="1.0" encoding="UTF-7"'),
        "encoding that cannot be read",
    ),
    "a tag of OFX that never ends": (bank(f"<STMTTRN><NAME>{'x' * 400_000}"), "longer than any statement's"),
    "a NUL byte": (CSV + "2026-01-31,a\0b,-5.00\n", "line 3: holds a NUL byte"),
    "a line of two million characters": (CSV + "x" * 2_000_000, "line 3: is longer than a million"),
    "a thousand and one columns": (CSV + "," * 1001 + "\n", "line 3: has more than a thousand"),
    "a field of MT940 that never ends": (
        ":20:X\n:25:1\n:61:2601310131D5,00NTRF\n:86:" + "x\n" * 70_000,
        "line 4: field",
    ),
    "a PDF": ("%PDF-1.7\n", "is a PDF"),
    "an old spreadsheet": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "damaged or locked"),
    "a spreadsheet": (zipped(("[Content_Types].xml", b"<a/>"), ("xl/workbook.xml", b"<a/>")), "damaged or locked"),
    "a spreadsheet with one cell in each far corner": (sparse_xlsx("A1", "XFD1048576"), "more memory or time"),
    "a spreadsheet that repeats a row of all columns": (
        sparse_ods(rows=1_048_576, columns=16_384),
        "damaged or locked",
    ),
    "a spreadsheet that repeats a cell": (sparse_ods(rows=1, columns=2_000_000_000), "more than a thousand"),
    "a spreadsheet that repeats a row": (sparse_ods(rows=1_048_576, columns=1), "no column"),
    "a web page": ("<!DOCTYPE html><html><body>Please log in</body></html>", "is a web page"),
    "JSON": ('[{"date": "2026-01-31"}]', "is JSON"),
    "a payment order": ('<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.03"/>', "payment order"),
    "other XML": ("<root/>", "neither OFX nor CAMT"),
    "nothing": ("", "is empty"),
    "blanks": (" \n\n", "is empty"),
    "bytes at random": (bytes(range(1, 256)) * 40, "no column"),
    "a gzip bomb": (gzip.compress(b"0" * 200_000_000, compresslevel=9), "unpacks to far more"),
    "a gzip file cut off": (gzip.compress(CSV.encode() * 9000)[:600], "damaged"),
    "a zip bomb": (zipped(("a.csv", b"0" * 200_000_000)), "unpacks to far more"),
    "a zip file of zip files": (zipped(("a.zip", zipped(("b.csv", CSV.encode())))), "inside an archive"),
    "a zip file of too many files": (zipped(*((f"{n}.csv", b"x") for n in range(101))), "more than 100 files"),
    "a zip file with a list longer than any, which is not even read": (listing(bytes(300_000)), "more than 100 files"),
    "a zip file cut off": (zipped(("a.csv", CSV.encode()))[:-30], "damaged"),
}


@pytest.mark.parametrize(("content", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_file_made_to_harm_is_refused_with_its_reason(reading, content, reason):
    with pytest.raises(InvalidDataError, match=reason):
        reading(content, name="download")


ALIKE = [" ", "0", "a", "a ", "1.", ", ", "0 ", "1'", "-", "DC", "C1 ", "a1"]
CELLS = {
    "date": "Date,Description,Amount\n2026-01-31,Rent,-5.00\n{},x,-5.00\n",
    "between a day and its time": "Date,Description,Amount\n2026-01-31,Rent,-5.00\n2026-01-30{}10:00Z,x,-5.00\n",
    "amount": "Date,Description,Amount\n2026-01-31,Rent,-5.00\n2026-01-31,x,{}\n",
    "description": "31.01.2026;{};-5,00\n31.01.2026;x;-5,00\n",
    "line of MT940": ":20:X\n:25:1\n:60F:C260101EUR0,00\n:61:{0}\n:86:{0}\n{0}\n:62F:C260131EUR0,00\n-\n",
    "QIF": "!Type:Bank\nD{0}\nT{0}\nP{0}\n^\nD01/31/2026\nT-5.00\n^\n",
}


@pytest.fixture
def _within_a_minute():
    """A pattern that looks at a text from each of its characters would take hours."""

    def give_up(*_signal):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_within_a_minute")
@pytest.mark.parametrize("alike", ALIKE)
@pytest.mark.parametrize("place", CELLS)
def test_a_long_text_of_alike_characters_takes_no_longer_than_another(reading, place, alike):
    for text in (alike * 60_000, f"1{alike * 60_000}x"):
        with suppress(InvalidDataError):
            reading(CELLS[place].format(text), name="download")


def test_a_zip_file_is_as_good_as_the_statements_in_it(reading):
    junk = ("__MACOSX/._a.csv", b"\0\0")
    found = reading(zipped(("a.csv", CSV.encode()), ("sub/b.ofx", bank(row()).encode()), junk), name="all.zip")
    assert (len(found.accounts), len(found.rows)) == (2, 2)


def test_a_gzip_file_is_as_good_as_the_statement_in_it(reading):
    assert len(reading(gzip.compress(CSV.encode()), name="a.csv.gz").rows) == 1


def test_links_hidden_and_unfinished_files_of_a_folder_are_no_statements(tmp_path):
    outside = tmp_path / "outside.csv"
    outside.write_text(CSV)
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "link.csv").symlink_to(outside)
    for name in (".hidden.csv", "statement.csv.part", "README.md"):
        (folder / name).write_text(CSV)
    assert read(folder).accounts == []


def test_a_broken_file_in_a_folder_is_reported_once_and_the_others_are_imported(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.xml").write_text(statement(entry())[:-40])
    (tmp_path / "c.ofx").write_text(bank(row()))
    found = read(tmp_path)
    assert len(found.rows) == 2
    assert [message for message in found.rejected if message.startswith("b.xml, line 4: is not well-formed")]
    assert [page.complete for page in found.pages if page.next_cursor].count(False) == 1


def test_a_folder_of_broken_files_only_is_refused(tmp_path):
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / name).write_text("%PDF")
    with pytest.raises(InvalidDataError, match="none of 2 files"):
        read(tmp_path)


def test_a_path_that_is_not_there_may_come_back(tmp_path):
    with pytest.raises(ProviderUnavailableError):
        read(tmp_path / "gone")


@pytest.mark.parametrize("special", ["/dev/zero", "/proc/self/environ"])
def test_what_is_no_ordinary_file_is_refused(special):
    if not Path(special).exists():
        pytest.skip("this system has no such file")
    with pytest.raises(InvalidDataError):
        read(Path(special))


def test_the_account_number_is_in_no_message(reading):
    content = bank(row("x")).replace("00987654321", "DE89370400440532013000")
    found = reading(content, name="a.ofx")
    said = " ".join([*found.rejected, *found.warnings, *(one.external_id for one in found.accounts)])
    assert "0532013000" not in said


@pytest.mark.parametrize(
    "content",
    [
        b"Date,Amount,Text\n2026-01-13,-1.00," + b"a" * 300_000 + b"\n2026-01-14,-1.00,\xe4\n",
        b"Date,Amount,Text," + b"[" * 300_000 + b"\n2026-01-13,-1.00,x,y\n2026-01-14,-1.00,x,y\n",
    ],
    ids=["word", "name of a column"],
)
def test_a_search_in_something_long_takes_no_square_of_its_length(tmp_path, content):
    """It took hours, in which the process did nothing else."""
    (tmp_path / "a.csv").write_bytes(content)
    assert len(read(tmp_path / "a.csv").rows) == 2
