"""Large statement files: rows per second of CPU and peak memory of reading them, each in a process of its own.

    python -m benchmarks.statement_files --mib 200
    python -m benchmarks.statement_files --imports 10000
    python -m benchmarks.statement_files --folder

The first generates a CSV, a CAMT, an OFX and an MT940 file of the given size in a temporary folder, then looks at each
and delivers it, as an import does. Prints one line per format.

`--imports` compares first imports into Postgres: a CSV file, and the same rows from a connector that has them ready.
`--folder` compares a refresh that finds a new file of 1,000 rows in an empty folder with one that finds it beside a
hundred files of 1,000 rows, each in a process of its own.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from sqlalchemy import Engine

from benchmarks.imports import Bench, database, timed
from tests.file.sheets import write_sheets
from worker.connectors.base import (
    Account,
    AuthStatus,
    BankConnector,
    ConnectorContext,
    Page,
    SyncState,
    Transaction,
    Window,
)
from worker.connectors.file import FileConfig, FileConnector
from worker.connectors.reading import inside, part, read_day, read_rows, text
from worker.importer.context import ImportContext

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


def write(path: Path, shape: Shape, size: int | None = None, *, rows: int | None = None, first: int = 0) -> int:
    """Write a statement of about `size` bytes, or of so many rows, and return its rows."""
    count, written = 0, 0
    with path.open("w", encoding="utf-8") as target:
        target.write(shape.head)
        for row in _rows(shape, first):
            if count == rows or (size is not None and written >= size):
                break
            written += target.write(row)
            count += 1
        target.write(shape.tail)
    return count


def write_workbook(path: Path, rows: int) -> int:
    """Write the rows of the CSV file as an XLSX file."""
    first = date(2020, 1, 1)
    table: list[Sequence[str | float | date | None]] = [["Buchungstag", "Verwendungszweck", "Name", "Betrag"]]
    for number in range(rows):
        day = first + timedelta(days=number % 2000)
        table.append([day, f"Payment {number}", f"Shop {number % 997}", -(number % 500) - (number % 100) / 100])
    write_sheets(path, {"Sheet1": table})
    return rows


def _rows(shape: Shape, first: int) -> Iterator[str]:
    number = first
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


class Prepared(BankConnector):
    """Serves rows from JSON that is in memory, and normalises them as connectors of online banks do."""

    name = "prepared"
    display_name = "Prepared rows"
    Config = FileConfig
    capabilities = FileConnector.capabilities

    def __init__(self, accounts: Sequence[Account], pages: Sequence[Page]) -> None:
        self._accounts = accounts
        self._pages = [json.dumps([_record(row) for row in page.transactions]) for page in pages]

    def get_auth_status(self) -> AuthStatus:
        return AuthStatus()

    def list_accounts(self) -> Sequence[Account]:
        return self._accounts

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        del account_id, from_date, to_date
        for page in self._pages:
            yield Page(transactions=tuple(self.normalize_transactions(json.loads(page))))

    def refresh(self, state: SyncState) -> Iterator[Page]:
        yield from self.get_transactions(state.account_id, state.window.from_on, state.window.to_on)

    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:  # noqa: ANN401 - the contract
        rows, _ = read_rows(raw, _row, id_field="id")
        return rows


def _record(row: Transaction) -> dict[str, Any]:
    return {
        "account": row.account_id,
        "amount": {"amount": f"{row.amount:f}", "currency": row.currency},
        "bookingDate": f"{row.booking_on}",
        "remittanceInformation": [row.description],
        "creditorName": row.counterparty,
        "original": dict(row.raw or {}),
    }


def _row(record: Mapping[str, Any]) -> Transaction:
    money = inside(record, "amount")
    return Transaction(
        account_id=part(record, "account", str),
        amount=Decimal(part(money, "amount", str)),
        currency=text(money, "currency"),
        booking_on=read_day(text(record, "bookingDate"), "bookingDate").on,
        description=" ".join(part(record, "remittanceInformation", list)),
        counterparty=text(record, "creditorName"),
        raw=record,
    )


class ImportBench(Bench):
    """Imports what a connector serves."""

    def __init__(self, engine: Engine, rows: int) -> None:
        super().__init__(engine, rows)
        self.open_connector: Callable[[], BankConnector] = lambda: Prepared([], [])

    def _parts(self, http: httpx2.Client) -> ImportContext:
        return replace(super()._parts(http), open_connector=lambda _connection_id: self.open_connector())


def file_connector(path: Path) -> FileConnector:
    context = ConnectorContext(http=httpx2.Client(), now=lambda: datetime.now(UTC))
    return FileConnector(FileConfig(path=path, account={"currency": "EUR"}), context)


def compare_imports(rows: int, rounds: int) -> None:
    """Print how many times as long a first import of a CSV file takes as that of the same rows from a connector."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder, database() as engine:
        path = Path(folder) / "statement.csv"
        bench = ImportBench(engine, rows)
        for number in range(rounds):
            write(path, SHAPES["csv"], rows=rows, first=number * rows)
            seconds = {}
            for name in ("connector", "file"):
                reader = file_connector(path)
                if name == "connector":
                    accounts = reader.list_accounts()
                    state = SyncState(account_id=accounts[0].external_id, cursor=None, window=WINDOW)
                    prepared = Prepared(accounts, list(reader.refresh(state)))
                    bench.open_connector = lambda prepared=prepared: prepared
                    path.write_text(path.read_text() + " ")  # other bytes: nothing of it is known from before
                else:
                    bench.open_connector = lambda: file_connector(path)
                bench.empty()
                connection_id = bench.connect()
                seconds[name] = timed(lambda connection_id=connection_id: bench.refresh(connection_id))
            ratios.append(seconds["file"] / seconds["connector"])
    print(f"first import of {rows} rows: CSV file / connector = {statistics.median(ratios):.2f} ({rounds} rounds)")


def refresh_folder(path: Path, cursor: str | None, answers: "multiprocessing.Queue[tuple[str | None, float]]") -> None:
    """Answer the cursor and the seconds of CPU of a refresh of a drop folder."""
    connector = file_connector(path)
    started = time.process_time()
    accounts = connector.list_accounts()
    pages = list(connector.refresh(SyncState(account_id=accounts[0].external_id, cursor=cursor, window=WINDOW)))
    answers.put((pages[-1].next_cursor, time.process_time() - started))


def in_new_process(path: Path, cursor: str | None) -> tuple[str | None, float]:
    spawn = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[tuple[str | None, float]] = spawn.Queue()
    process = spawn.Process(target=refresh_folder, args=(path, cursor, answers))
    process.start()
    answer = answers.get()
    process.join()
    return answer


def compare_folders(rounds: int) -> None:
    """Print what a new file costs alone, and beside 100,000 rows that were read before, each in a new process."""
    alone, beside = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as many:
            for old in range(100):
                write(Path(many) / f"{old:03}.csv", SHAPES["csv"], rows=1000, first=old * 1000)
            cursor, _ = in_new_process(Path(many), None)
            for folder in (one, many):
                write(Path(folder) / "new.csv", SHAPES["csv"], rows=1000, first=(200 + number) * 1000)
            alone.append(in_new_process(Path(one), None)[1])
            beside.append(in_new_process(Path(many), cursor)[1])
    print(
        f"a new file of 1,000 rows: {statistics.median(alone):.3f} s alone,"
        f" {statistics.median(beside):.3f} s beside 100,000 old rows, each in a new process"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=50, help="Size of each file (MiB).")
    parser.add_argument("--only", choices=[*SHAPES, "xlsx"], help="Only this format.")
    parser.add_argument("--sheet-rows", type=int, default=100_000, help="Rows of the XLSX file.")
    parser.add_argument("--imports", type=int, metavar="ROWS", help="Compare first imports of so many rows.")
    parser.add_argument("--folder", action="store_true", help="Compare refreshes of a small and a large folder.")
    parser.add_argument("--rounds", type=int, default=3)
    stated = parser.parse_args()
    if stated.imports:
        compare_imports(stated.imports, stated.rounds)
        return
    if stated.folder:
        compare_folders(stated.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in [stated.only] if stated.only else [*SHAPES, "xlsx"]:
            path = Path(folder) / f"statement.{name}"
            if name == "xlsx":
                expected = write_workbook(path, stated.sheet_rows)
            else:
                expected = write(path, SHAPES[name], stated.mib * 1024**2)
            answers: multiprocessing.Queue[tuple[int, float, float]] = multiprocessing.get_context("spawn").Queue()
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(path, answers))
            process.start()
            rows, seconds, grown = answers.get()
            process.join()
            verdict = "all rows" if rows == expected else f"{rows} of {expected} rows"
            size = path.stat().st_size / 1024**2
            print(f"{name:6} {size:.0f} MiB  {verdict} {rows:>9}  {rows / seconds:>9,.0f} rows/s  +{grown:.0f} MiB")
            path.unlink()


if __name__ == "__main__":
    main()
