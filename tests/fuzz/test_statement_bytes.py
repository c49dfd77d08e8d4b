"""Whatever bytes a person uploads: the reader reads them or refuses them with a reason, and nothing else happens."""

import gzip
import io
import zipfile
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.statement_files import SHAPES
from tests.file.reader import connector
from tests.file.sheets import sparse_ods, sparse_xlsx
from tests.fuzz.conftest import fuzzed
from worker.connectors.base import SyncState, Window
from worker.connectors.errors import AccountNotFoundError, InvalidDataError
from worker.connectors.file.reading import check_beginning
from worker.connectors.file.statement.files import count_lines, members, unpacked_bytes

WINDOW = Window(from_on=date(2000, 1, 1), to_on=date(2040, 1, 1))
QIF = b"!Type:Bank\nD01/31/2026\nT-5.00\nPShop\n^\nD02/01/2026\nT7.00\nMNote\n^\n"
MT942 = b":20:A\n:25:37040044/0532013000\n:28C:1\n:34F:EUR0,00\n:13D:2601311200+0100\n:61:260131D5,00NTRFX\n-\n"


def _shaped(name):
    shape = SHAPES[name]
    rows = "".join(shape.row(number, date(2026, 1, 1 + number)) for number in range(4))
    return (shape.head + rows + shape.tail).encode()


def _zipped(content):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.csv", content)
    return target.getvalue()


SEEDS = {name: _shaped(name) for name in SHAPES} | {
    "qif": QIF,
    "mt942": MT942,
    "xlsx": sparse_xlsx("A1", "B2", "C3"),
    "ods": sparse_ods(rows=3, columns=3),
    "zip": _zipped(_shaped("csv")),
    "gzip": gzip.compress(_shaped("csv"), mtime=0),
}
ODD = st.sampled_from(
    [
        *(
            b"\x00",
            b"\xff",
            b"\r",
            b"\n",
            b'"',
            b"<",
            b"&x;",
            b"]]>",
            b"<!--",
            b"-",
            b"9" * 400,
            b"1e999",
            b"nan",
            b"-0",
        ),
        *(b"\xed\xa0\x80", b";" * 50, b"\xe2\x80\xae", b"\x1b[2J", b"=cmd|' /C calc'!A0", b"0001-01-01", b"-0"),
        *(b"<a>" * 70, b"{1:" * 50),
    ]
)
BEGINNINGS = [b"", b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<?xml "]


@st.composite
def damaged(draw, seed):
    """A statement with some pieces cut out, doubled, moved or replaced."""
    content = bytearray(seed)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        to = min(len(content), at + draw(st.integers(0, 40)))
        piece = draw(st.sampled_from(["cut", "doubled", "odd", "bytes"]))
        replacement = {
            "cut": b"",
            "doubled": bytes(content[at:to]) * 2,
            "odd": draw(ODD),
            "bytes": draw(st.binary(max_size=8)),
        }
        content[at:to] = replacement[piece]
    return bytes(content)


def _read(path, content):
    path.write_bytes(content)
    try:
        unpacked_bytes(path, most=10_000_000)
        count_lines(path, most=10_000_000)
        for member in members(path):
            check_beginning(member)
    except InvalidDataError:
        pass
    bank = connector(path)
    try:
        for account in bank.list_accounts():
            state = SyncState(account_id=account.external_id, cursor=None, window=WINDOW)
            for page in bank.refresh(state):
                assert all(row.amount == row.amount for row in page.transactions), "an amount that is no number"
    except (InvalidDataError, AccountNotFoundError):
        return


@pytest.mark.parametrize("name", SEEDS)
def test_a_damaged_statement_is_read_or_refused(name, tmp_path):
    @fuzzed
    @given(damaged(SEEDS[name]))
    def try_it(content):
        _read(tmp_path / "download", content)

    try_it()


def test_any_bytes_are_read_or_refused(tmp_path):
    @fuzzed
    @given(st.sampled_from(BEGINNINGS), st.binary())
    def try_it(beginning, content):
        _read(tmp_path / "download", beginning + content)

    try_it()
