"""The file connector passes the conformance kit in each of its formats; the ledger is written as that format."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from worker.connectors.base import IdClass
from worker.connectors.file import FileConnector
from worker.connectors.testing import Entry, Ledger, LedgerAccount, connector_tests

Write = Callable[[LedgerAccount, list[Entry], Decimal | None, date], str]


def daily(suffix: str, write: Write, **stated: Any) -> Callable[[Ledger, Path], dict[str, Any]]:
    """Put one statement per account and day into a drop folder, as banks do that send one every evening."""

    def config(ledger: Ledger, directory: Path) -> dict[str, Any]:
        for old in directory.glob(f"*.{suffix}"):
            old.unlink()
        for account in ledger.accounts:
            balance = ledger.balance(account.id)
            of_day: dict[date, list[Entry]] = {ledger.today: []}
            for entry in ledger.entries(account.id):
                of_day.setdefault(entry.on, []).append(entry)
            for day, entries in of_day.items():
                (directory / f"{account.id}-{day}.{suffix}").write_text(
                    write(account, entries, balance if day == ledger.today else None, day), "utf-8"
                )
        return {"path": str(directory), **stated}

    return config


def ofx(account: LedgerAccount, entries: list[Entry], balance: Decimal | None, day: date) -> str:
    rows = "".join(
        f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>{entry.booked_on:%Y%m%d}<TRNAMT>{entry.amount:f}<FITID>{entry.id}"
        f"<NAME>{escape(entry.counterparty)}<MEMO>{escape(entry.description)}</STMTTRN>\n"
        for entry in entries
        if entry.booked_on
    )
    ledger_balance = f"<LEDGERBAL><BALAMT>{balance:f}<DTASOF>{day:%Y%m%d}</LEDGERBAL>" if balance is not None else ""
    return (
        f"OFXHEADER:100\nDATA:OFXSGML\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>{account.currency}"
        f"<BANKACCTFROM><BANKID>1<ACCTID>{account.id}<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST>\n{rows}"
        f"</BANKTRANLIST>{ledger_balance}"
        "</STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
    )


def camt(account: LedgerAccount, entries: list[Entry], balance: Decimal | None, day: date) -> str:
    booked = "".join(
        f'<Ntry><Amt Ccy="{entry.currency}">{abs(entry.amount):f}</Amt><CdtDbtInd>'
        f"{_direction(entry.amount)}</CdtDbtInd><Sts>{'PDNG' if entry.pending else 'BOOK'}</Sts>"
        f"<BookgDt><Dt>{entry.on:%Y-%m-%d}</Dt></BookgDt>"
        f"<NtryDtls><TxDtls><RltdPties><Cdtr><Nm>{escape(entry.counterparty)}</Nm></Cdtr></RltdPties>"
        f"<RmtInf><Ustrd>{escape(entry.description)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n"
        for entry in entries
    )
    closing = (
        ""
        if balance is None
        else (
            f'<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="{account.currency}">{abs(balance):f}</Amt>'
            f"<CdtDbtInd>{_direction(balance)}</CdtDbtInd><Dt><Dt>{day:%Y-%m-%d}</Dt></Dt></Bal>"
        )
    )
    return (
        '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>'
        f"<Acct><Id><Othr><Id>{account.id}</Id></Othr></Id><Ccy>{account.currency}</Ccy></Acct>{closing}"
        f"{booked}</Stmt></BkToCstmrStmt></Document>"
    )


def _direction(amount: Decimal) -> str:
    return "DBIT" if amount < 0 else "CRDT"


def csv(account: LedgerAccount, entries: list[Entry], _balance: Decimal | None, _day: date) -> str:
    rows = "".join(
        f'{entry.on:%Y-%m-%d};"{entry.description}";"{entry.counterparty}";{entry.amount:f};{entry.currency};{account.id};'
        f"{'held' if entry.pending else 'booked'}\n"
        for entry in entries
    )
    return f"Day;Text;Payee;Amount;Currency;Account;Status\n{rows}"


PROFILE = {
    "name": "kit",
    "date": "Day",
    "amount": "Amount",
    "decimal": ".",
    "description": "Text",
    "counterparty": "Payee",
    "currency_column": "Currency",
    "account": "Account",
    "pending": {"Status": "held"},
}
NEVER_BACK = {"a_row_taken_back_is_reported_as_removed": "a bank never takes a line of a printed statement back"}


class OfxFiles(FileConnector):
    capabilities = replace(FileConnector.capabilities, id_class=IdClass.STABLE, pending=False)


class CsvFiles(FileConnector):
    capabilities = replace(FileConnector.capabilities, balances=False)


TestOfx = connector_tests(
    OfxFiles,
    config=daily("ofx", ofx),
    skip=NEVER_BACK
    | {"a_corrected_row_is_delivered_again": "an id that returns with another day or amount is another payment"},
)
TestCamt = connector_tests(FileConnector, config=daily("xml", camt), skip=NEVER_BACK)
TestCsv = connector_tests(
    CsvFiles,
    config=daily("csv", csv, profile=PROFILE),
    skip=NEVER_BACK | {"accounts_have_the_right_shape": "a CSV file without rows names no account"},
)
