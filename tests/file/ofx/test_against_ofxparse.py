"""OFX files are read as an independent reader reads them: `ofxparse`."""

import warnings
from collections import Counter
from decimal import Decimal
from io import BytesIO

import pytest

from tests.assets import ASSETS
from tests.file.mutants.samples import ofx_sgml, ofx_xml
from tests.file.reader import read

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its parser of HTML warns about what OFX is
    import ofxparse

INVENTED = {
    "two accounts": ofx_sgml(),
    "a card in XML": ofx_xml().replace("\u2013", "-"),
}
REAL = ("bank_medium.ofx", "checking.ofx", "multiple_accounts2.ofx")


def independent(data: bytes) -> Counter[tuple[object, ...]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = ofxparse.OfxParser.parse(BytesIO(data))
    return Counter(
        (one.date.date(), Decimal(one.amount), one.id)
        for account in parsed.accounts
        for one in account.statement.transactions
    )


def ours(path) -> Counter[tuple[object, ...]]:
    return Counter((row.booking_on, row.amount, row.raw["FITID"]) for row in read(path).rows)


@pytest.mark.parametrize("text", INVENTED.values(), ids=INVENTED)
def test_an_invented_file_gives_the_same_days_amounts_and_ids(tmp_path, text):
    path = tmp_path / "a.ofx"
    path.write_bytes(text.encode("cp1252"))
    assert ours(path) == independent(path.read_bytes())


@pytest.mark.beside("ofx")
@pytest.mark.parametrize("name", REAL)
def test_a_real_file_gives_the_same_days_amounts_and_ids(name):
    path = ASSETS / "ofx" / name
    assert ours(path) == independent(path.read_bytes())
