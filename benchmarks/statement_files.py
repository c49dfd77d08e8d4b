"""Large statement files: rows per second of CPU and peak memory of reading them, each in a process of its own.

    python benchmarks/statement_files.py --mib 200

Generates a CSV, a CAMT, an OFX and an MT940 file of the given size in a temporary folder, then looks at each and
delivers it, as an import does. Prints one line per format.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx2

from worker.connectors.base import ConnectorContext, SyncState, Window
from worker.connectors.file import FileConfig, FileConnector

WINDOW = Window(from_on=date(2000, 1, 1), to_on=date(2040, 1, 1))


class Shape(NamedTuple):
    head: str
    row: Callable[[int, date], str]
    tail: str


def _csv(number: int, day: date) -> str:
    amount = f"-{number % 500},{number % 100:02}"
    return f"{day:%d.%m.%Y};Payment {number} for goods and services;Shop {number % 997};{amount}\n"


def _camt(number: int, day: date) -> str:
    return (
        f'<Ntry><Amt Ccy="EUR">{number % 500}.{number % 100:02}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><NtryDtls><TxDtls><RltdPties><Cdtr><Nm>Shop {number % 997}</Nm></Cdtr>"
        f"</RltdPties><RmtInf><Ustrd>Payment {number}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n"
    )


def _ofx(number: int, day: date) -> str:
    amount = f"-{number % 500}.{number % 100:02}"
    name = f"Shop {number % 997}"
    return f"<STMTTRN><TRNTYPE>POS<DTPOSTED>{day:%Y%m%d}<TRNAMT>{amount}<FITID>F{number:09}<NAME>{name}</STMTTRN>\n"


def _mt940(number: int, day: date) -> str:
    amount = f"{number % 500},{number % 100:02}"
    return (
        f":61:{day:%y%m%d}{day:%m%d}D{amount}NTRFNONREF\n:86:166?00SEPA?20SVWZ+Payment {number}?32Shop {number % 997}\n"
    )


SHAPES = {
    "csv": Shape("Buchungstag;Verwendungszweck;Name;Betrag\n", _csv, ""),
    "camt": Shape(
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Acct><Id>'
        "<IBAN>DE89370400440532013000</IBAN></Id></Acct>\n",
        _camt,
        "</Stmt></BkToCstmrStmt></Document>",
    ),
    "ofx": Shape(
        "OFXHEADER:100\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR<BANKACCTFROM><BANKID>1<ACCTID>12345678"
        "</BANKACCTFROM><BANKTRANLIST>\n",
        _ofx,
        "</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>",
    ),
    "mt940": Shape(":20:X\n:25:37040044/0532013000\n:28C:1\n:60F:C200101EUR0,00\n", _mt940, ":62F:C260101EUR0,00\n-\n"),
}


def write(path: Path, shape: Shape, size: int) -> int:
    """Write a statement of about `size` bytes and return its rows."""
    rows, written = 0, 0
    with path.open("w", encoding="utf-8") as target:
        target.write(shape.head)
        for row in _rows(shape):
            if written >= size:
                break
            written += target.write(row)
            rows += 1
        target.write(shape.tail)
    return rows


def _rows(shape: Shape) -> Iterator[str]:
    number = 0
    while True:
        yield shape.row(number, date(2020, 1, 1) + timedelta(days=number % 2000))
        number += 1


def measure(path: Path, answers: "multiprocessing.Queue[tuple[int, float, float]]") -> None:
    """Deliver a file and answer rows, seconds of CPU and the growth of peak memory in MiB."""
    context = ConnectorContext(http=httpx2.Client(), now=lambda: datetime.now(UTC))
    connector = FileConnector(FileConfig(path=path), context)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    accounts = connector.list_accounts()
    state = SyncState(account_id=accounts[0].external_id, cursor=None, window=WINDOW)
    rows = sum(len(page.transactions) for page in connector.refresh(state))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers.put((rows, time.process_time() - started, (peak - before) / 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=50, help="Size of each file (MiB).")
    parser.add_argument("--only", choices=SHAPES, help="Only this format.")
    stated = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in [stated.only] if stated.only else SHAPES:
            path = Path(folder) / f"statement.{name}"
            expected = write(path, SHAPES[name], stated.mib * 1024**2)
            answers: multiprocessing.Queue[tuple[int, float, float]] = multiprocessing.get_context("spawn").Queue()
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(path, answers))
            process.start()
            rows, seconds, grown = answers.get()
            process.join()
            verdict = "all rows" if rows == expected else f"{rows} of {expected} rows"
            print(f"{name:6} {stated.mib} MiB  {verdict} {rows:>9}  {rows / seconds:>9,.0f} rows/s  +{grown:.0f} MiB")
            path.unlink()


if __name__ == "__main__":
    main()
