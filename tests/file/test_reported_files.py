"""Small files of the kinds that users of other finance programs report as misread: each is read right, or refused.

A row is written as `day amount`. TOLD stands for a refusal, a rejected row or a remark: nothing is read in silence.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.file.reader import Reading, read
from worker.connectors.errors import InvalidDataError
from worker.connectors.file.statement.events import day_of

TOLD = "told"
IBAN = "DE02120300000000202051"


def table(*lines: str) -> str:
    return "\n".join([*lines, ""])


CSV = {
    "a comma behind every row but not behind the header": (
        table("Date,Description,Amount", "2026-01-15,Shop,-1.50,", "2026-01-16,Pay,20.00,"),
        ["15 -1.50", "16 20.00"],
    ),
    "rows that a spreadsheet cut behind their last filled cell": (
        table(
            "Date,Description,Amount,Note,Tag", "2026-01-15,Shop,-1.50", "2026-01-16,Pay,20.00", "2026-01-17,A,-1,x,y"
        ),
        ["15 -1.50", "16 20.00", "17 -1"],
    ),
    "zeros in the side that is not meant": (
        table("Date,Details,Debit,Credit", "15/01/2026,Shop,1.50,0.00", "16/01/2026,Pay,0.00,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "dashes in the side that is not meant": (
        table("Date,Details,Withdrawals,Deposits", "15/01/2026,Shop,1.50,-", "16/01/2026,Pay,-,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "outflow and inflow": (
        table("Date,Payee,Memo,Outflow,Inflow", "15/01/2026,Shop,x,1.50,", "16/01/2026,Pay,y,,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "money spent and received": (
        table("Date,Payee,Spent,Received", "15/01/2026,Shop,1.50,", "16/01/2026,Pay,,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "amounts that a spreadsheet keeps as text formulas": (
        table("Date,Description,Amount", '2026-01-15,Shop,="-1.50"', '2026-01-16,Pay,="20.00"'),
        ["15 -1.50", "16 20.00"],
    ),
    "amounts with an apostrophe in front": (
        table("Date,Description,Amount", "2026-01-15,Shop,'-1.50", "2026-01-16,Pay,'20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "dollars in brackets": (
        table("Date,Description,Amount", "2026-01-15,Shop,($1.50)", '2026-01-16,Pay,"$1,020.00"'),
        ["15 -1.50", "16 1020.00"],
    ),
    "minus behind the amount and thousands": (
        table("Date;Description;Amount", "15.01.2026;Shop;1.001,50-", "16.01.2026;Pay;20,00"),
        ["15 -1001.50", "16 20.00"],
    ),
    "thousands as a letter": (
        table("Date,Description,Amount", "2026-01-15,Shop,-1.5k", "2026-01-16,Pay,20.00"),
        TOLD,
    ),
    "another currency beside an amount than beside all": (
        table("Date,Description,Amount", "2026-01-15,Shop,-1.50 USD", "2026-01-16,Pay,20.00 EUR"),
        TOLD,
    ),
    "a card whose purchases are negative and whose balance is owed": (
        table(
            "Date,Description,Amount,Balance",
            *(f"2026-01-{15 + n},Shop,-{n}.00,{n * (n + 1) // 2}.00" for n in range(1, 6)),
        ),
        TOLD,
    ),
    "a status of Revolut that nobody knows": (
        table(
            "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance",
            "CARD,Current,2026-01-15 10:00:00,2026-01-15 10:00:00,A,-1.50,0.00,EUR,COMPLETED,8.50",
            "CARD,Current,2026-01-16 10:00:00,2026-01-16 10:00:00,B,-2.00,0.00,EUR,WOBBLY,6.50",
        ),
        TOLD,
    ),
    "an amount that may be thousands among amounts of two decimals": (
        table("Date,Description,Amount", '2026-01-15,A,"-1,50"', '2026-01-16,B,"1,020"', '2026-01-17,C,"-20,00"'),
        TOLD,
    ),
    "a second column of days that shows their order": (
        table("Date,Post Date,Description,Amount", "01/02/2026,01/03/2026,A,-1.50", "01/12/2026,01/14/2026,B,20.00"),
        ["2 -1.50", "12 20.00"],
    ),
    "a header and no row": (table("Date;Description;Amount"), TOLD),
    "a page that is called a spreadsheet": ("<html><body><table><tr><td>Date</td></tr></table></body></html>", TOLD),
    "a fee beside the amounts, mostly nothing": (
        table("Date,Description,Amount,Fee", "2026-01-15,Shop,-1.50,-0.10", "2026-01-16,Pay,20.00,0"),
        TOLD,
    ),
    "two wallets in one table": (
        table("Date,Wallet,Description,Amount", *(f"2026-01-{n},{'AB'[n % 2]},Shop,-2.00" for n in range(15, 21))),
        TOLD,
    ),
    "currency behind the amount": (
        table("Datum;Text;Betrag", "15.01.2026;Shop;-1,50 EUR", "16.01.2026;Pay;20,00 EUR"),
        ["15 -1.50", "16 20.00"],
    ),
    "typographic minus and thin spaces": (
        table("Date;Libellé;Montant", "15/01/2026;Shop;\u22121\u202f001,50", "16/01/2026;Pay;20,00"),
        ["15 -1001.50", "16 20.00"],
    ),
    "a sign in a column of its own": (
        table("Date,Description,Amount,+/-", "2026-01-15,Shop,1.50,-", "2026-01-16,Pay,20.00,+"),
        ["15 -1.50", "16 20.00"],
    ),
    "the direction in a column called type": (
        table("Date,Type,Description,Amount", "2026-01-15,Debit,Shop,1.50", "2026-01-16,Credit,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "the direction in words of which one is not known": (
        table("Date,Dr/Cr,Description,Amount", "2026-01-15,DR,Shop,1.50", "2026-01-16,XX,Pay,20.00"),
        TOLD,
    ),
    "months as words and years of two digits": (
        table("Date,Description,Amount", "15-Jan-26,Shop,-1.50", "16-Jan-26,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "month first as a word": (
        table("Date,Description,Amount", '"Jan 15, 2026",Shop,-1.50', '"January 16, 2026",Pay,20.00'),
        ["15 -1.50", "16 20.00"],
    ),
    "days with a weekday": (
        table("Date,Description,Amount", "Thu 15 Jan 2026,Shop,-1.50", "Fri 16 Jan 2026,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "days as in Hungary": (
        table("Date,Description,Amount", "2026.01.15.,Shop,-1.50", "2026.01.16.,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "days without separators": (
        table("Date,Description,Amount", "20260115,Shop,-1.50", "20260116,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "days with a time": (
        table("Date,Description,Amount", "2026-01-15 23:59:59,Shop,-1.50", "2026-01-16T08:00:00,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "one row with its day in another order": (
        table("Date,Description,Amount", "15/01/2026,A,-1", "16/01/2026,B,-2", "01/17/2026,C,-3", "18/01/2026,D,-4"),
        TOLD,
    ),
    "a day that does not exist": (
        table("Date,Description,Amount", "2026-02-28,Shop,-1.50", "2026-02-30,Pay,20.00"),
        TOLD,
    ),
    "an amount with a decimal comma among points": (
        table(
            "Date;Description;Amount",
            "2026-01-15;A;-1.50",
            "2026-01-16;B;-2.50",
            "2026-01-17;C;-3,50",
            "2026-01-18;D;4.5",
        ),
        TOLD,
    ),
    "a text with the delimiter and no quotes": (
        table("Date,Description,Amount", "2026-01-15,Shop, Inc.,-1.50", "2026-01-16,Pay,20.00", "2026-01-17,X,-2.00"),
        TOLD,
    ),
    "quotes inside of an unquoted text": (
        table("Date,Description,Amount", '2026-01-15,5" pipe,-1.50', "2026-01-16,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "a text over three lines": (
        table("Date,Description,Amount", '2026-01-15,"Shop\nStreet 1\nBerlin",-1.50', "2026-01-16,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    'an escaped quote as \\"': (
        table("Date,Description,Amount", '2026-01-15,"The \\"Shop\\"",-1.50', "2026-01-16,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "a header in quotes with spaces and a BOM": (
        "\ufeff" + table('" Date ", "Description" , "Amount"', "2026-01-15, Shop, -1.50", "2026-01-16, Pay, 20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "lines in front of the header": (
        table("Account: 123", "Exported 17.01.2026", "", "Date;Description;Amount", "15.01.2026;Shop;-1,50"),
        ["15 -1.50"],
    ),
    "a total and a remark at the end": (
        table(
            "Date,Description,Amount", "2026-01-15,Shop,-1.50", "2026-01-16,Pay,20.00", ",Total,18.50", "*** end ***"
        ),
        ["15 -1.50", "16 20.00"],
    ),
    "an opening balance among the rows": (
        table("Date,Description,Amount,Balance", "2026-01-14,Opening balance,,100.00", "2026-01-15,Shop,-1.50,98.50"),
        ["15 -1.50"],
    ),
    "two amounts of which one is foreign": (
        table(
            "Date,Description,Amount,Currency,Original Amount,Original Currency", "2026-01-15,Shop,-1.50,EUR,-1.60,USD"
        ),
        ["15 -1.50"],
    ),
    "the same column name twice": (
        table("Date,Description,Amount,Amount", "2026-01-15,Shop,-1.50,-1.60", "2026-01-16,Pay,20.00,21.00"),
        TOLD,
    ),
    "pending rows without a day": (
        table("Date,Description,Amount", "2026-01-15,Shop,-1.50", "Pending,Bar,-3.00", "2026-01-16,Pay,20.00"),
        ["15 -1.50", "1 -3.00", "16 20.00"],
    ),
    "declined rows": (
        table("Date,Description,Amount,Status", "2026-01-15,Shop,-1.50,Completed", "2026-01-16,Bar,-3.00,Declined"),
        ["15 -1.50"],
    ),
    "a status that nobody knows": (
        table("Date,Description,Amount,Status", "2026-01-15,Shop,-1.50,Completed", "2026-01-16,Bar,-3.00,Wobbly"),
        TOLD,
    ),
    "amounts without decimals beside others": (
        table("Date,Description,Amount", "2026-01-15,Shop,-1.50", "2026-01-16,Pay,20", "2026-01-17,X,-3.5"),
        ["15 -1.50", "16 20", "17 -3.5"],
    ),
    "an exponent": (table("Date,Description,Amount", "2026-01-15,Shop,-1.5E+3", "2026-01-16,Pay,20.00"), TOLD),
    "the value of a broken formula": (
        table("Date,Description,Amount", "2026-01-15,Shop,#VALUE!", "2026-01-16,Pay,20.00"),
        TOLD,
    ),
    "a name of an account that looks like a formula": (
        table("Date,Description,Amount", "2026-01-15,=HYPERLINK(1),-1.50", "2026-01-16,Pay,20.00"),
        ["15 -1.50", "16 20.00"],
    ),
    "a file of one row that fits both orders": (table("Date,Description,Amount", "03/04/2026,Shop,-1.50"), TOLD),
    "an export of Actual": (
        table(
            "Account,Date,Payee,Notes,Category,Amount,Split_Amount,Cleared",
            "Bank,2026-01-15,Shop,,Food,-1.50,0,Cleared",
        ),
        ["15 -1.50"],
    ),
    "an export of HomeBank": (
        table(
            "date;payment;info;payee;memo;amount;category;tags",
            "2026-01-15;1;;Shop;;-1.50;Food;",
            "2026-01-16;4;;Pay;;20.00;;",
        ),
        ["15 -1.50", "16 20.00"],
    ),
    "a register of Skrooge": (
        table(
            "date;account;payee;mode;comment;amount;unit;sign;category", "2026-01-15;Bank;Shop;card;x;-1.50;EUR;-;Food"
        ),
        TOLD,
    ),
    "line ends of an old Mac": (
        table("Date,Description,Amount", "2026-01-15,Shop,-1.50", "2026-01-16,Pay,20.00").replace("\n", "\r"),
        ["15 -1.50", "16 20.00"],
    ),
}


def ofx(rows: str, head: str = "OFXHEADER:100\nDATA:OFXSGML\n\n", currency: str = "<CURDEF>EUR") -> str:
    return (
        f"{head}<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS>{currency}<BANKACCTFROM><BANKID>1<ACCTID>12345678<ACCTTYPE>CHECKING"
        f"</BANKACCTFROM><BANKTRANLIST>\n{rows}</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>\n"
    )


def trn(posted: str = "20260115", amount: str = "-1.50", more: str = "<NAME>Shop", fitid: str = "2026-A-1") -> str:
    return f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>{posted}<TRNAMT>{amount}<FITID>{fitid}{more}</STMTTRN>\n"


OFX = {
    "a moment with a zone and a fraction": (ofx(trn("20260115120000.000[-5:EST]")), ["15 -1.50"]),
    "a moment at midnight in a far zone": (ofx(trn("20260115000000[+13:NZDT]")), ["15 -1.50"]),
    "no header at all": (ofx(trn(), head=""), ["15 -1.50"]),
    "a header on one line": (ofx(trn(), head="OFXHEADER:100 DATA:OFXSGML VERSION:102 CHARSET:1252\n"), ["15 -1.50"]),
    "spaces around the values": (ofx(trn(" 20260115 ", " -1.50 ")), ["15 -1.50"]),
    "a plus in front": (ofx(trn(amount="+1.50")), ["15 1.50"]),
    "a decimal comma": (ofx(trn(amount="-1,50")), ["15 -1.50"]),
    "thousands": (ofx(trn(amount="-1,001.50")), ["15 -1001.50"]),
    "an unescaped ampersand": (ofx(trn(more="<NAME>A & B < C")), ["15 -1.50"]),
    "an entity": (ofx(trn(more="<NAME>A &amp; B&nbsp;C")), ["15 -1.50"]),
    "empty tags": (ofx(trn(more="<NAME><MEMO>")), ["15 -1.50"]),
    "a row that is not closed": (
        ofx(trn().replace("</STMTTRN>", "") + trn("20260116", fitid="2026-A-2")),
        ["15 -1.50", "16 -1.50"],
    ),
    "small letters": (ofx(trn()).lower().replace("ofxheader", "OFXHEADER"), ["15 -1.50"]),
    "zeros for a day": (ofx(trn("00000000") + trn(fitid="2026-A-2")), TOLD),
    "a day with dashes": (ofx(trn("2026-01-15")), TOLD),
    "a day that does not exist": (ofx(trn("20260230")), TOLD),
    "no amount": (ofx(trn(amount="")), TOLD),
    "a currency sign": (ofx(trn(amount="$1.50")), TOLD),
    "no currency": (ofx(trn(), currency=""), TOLD),
    "one id for two payments": (ofx(trn() + trn("20260116", "-2.50")), ["15 -1.50", "16 -2.50"]),
    "one id for two equal payments": (ofx(trn() + trn()), ["15 -1.50", "15 -1.50"]),
    "ids that are zero": (ofx(trn(fitid="0") + trn(fitid="0")), ["15 -1.50", "15 -1.50"]),
    "an answer of the bank without a statement": (
        "OFXHEADER:100\n\n<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>15500<SEVERITY>ERROR<MESSAGE>No</STATUS></SONRS></OFX>",
        TOLD,
    ),
}


def qif(*records: str, head: str = "!Type:Bank") -> str:
    return "\n".join([head, *(line for record in records for line in (*record.split("|"), "^")), ""])


QIF = {
    "a year behind an apostrophe": (qif("D1/15'26|T-1.50|PShop", "D1/16'26|T20.00"), ["15 -1.50", "16 20.00"]),
    "spaces in place of zeros": (qif("D 1/15/26|T-1.50", "D 1/16/26|T20.00"), ["15 -1.50", "16 20.00"]),
    "days with points": (qif("D15.01.2026|T-1,50", "D16.01.2026|T1.020,00"), ["15 -1.50", "16 1020.00"]),
    "days as ISO writes them": (qif("D2026-01-15|T-1.50", "D2026-01-16|T20.00"), ["15 -1.50", "16 20.00"]),
    "only the longer amount": (qif("D2026-01-15|U-1.50", "D2026-01-16|U20.00"), ["15 -1.50", "16 20.00"]),
    "split parts": (qif("D2026-01-15|T-3.00|SFood|$-1.00|SFun|$-2.00"), ["15 -3.00"]),
    "a section with a space behind its name": (qif("D2026-01-15|T-1.50", head="!Type:Bank "), ["15 -1.50"]),
    "small letters in the section": (qif("D2026-01-15|T-1.50", head="!type:bank"), ["15 -1.50"]),
    "a card": (qif("D2026-01-15|T-1.50", head="!Type:CCard"), ["15 -1.50"]),
    "an account before the section": (
        qif("D2026-01-15|T-1.50", head="!Account\nNMain\nTBank\n^\n!Type:Bank"),
        ["15 -1.50"],
    ),
    "no end mark at the end": ("!Type:Bank\nD2026-01-15\nT-1.50\n", TOLD),
    "a record without a day": (qif("T-1.50|PShop", "D2026-01-16|T20.00"), TOLD),
    "days that fit both orders": (qif("D03/04/2026|T-1.50", "D01/02/2026|T20.00"), TOLD),
    "records before the section": ("D2026-01-15\nT-1.50\n^\n!Type:Bank\nD2026-01-16\nT20.00\n^\n", TOLD),
    "securities only": (qif("D2026-01-15|NBuy|YShare|Q1", head="!Type:Invst"), TOLD),
}


def mt940(lines: str, closing: str = "D260116EUR1,50", opening: str = "C260114EUR0,00") -> str:
    return f":20:X\n:25:{IBAN}\n:28C:1/1\n:60F:{opening}\n{lines}:62F:{closing}\n-\n"


MT940 = {
    "a currency behind the account number": (
        mt940(":61:2601150115D1,50NTRFNONREF\n").replace(IBAN, f"{IBAN}EUR"),
        ["15 -1.50"],
    ),
    "no booking day": (mt940(":61:260115D1,50NTRFNONREF\n:86:Shop\n"), ["15 -1.50"]),
    "no decimals behind the comma": (mt940(":61:2601150115D1,NTRFNONREF\n:86:Shop\n", "D260116EUR1,"), ["15 -1"]),
    "a letter of the currency behind the mark": (mt940(":61:2601150115DR1,50NTRFNONREF\n:86:Shop\n"), ["15 -1.50"]),
    "a reversal of a credit": (mt940(":61:2601150115RC1,50NTRFNONREF\n:86:Shop\n"), ["15 -1.50"]),
    "a booking day of the next year": (mt940(":61:2512310102D1,50NTRFNONREF\n:86:Shop\n"), ["2 -1.50"]),
    "no text": (mt940(":61:2601150115D1,50NTRFNONREF\n"), ["15 -1.50"]),
    "a text that begins with a dash": (
        mt940(":61:2601150115D1,50NTRFNONREF\n:86:Shop\n- two\n- three\n"),
        ["15 -1.50"],
    ),
    "a text that holds a tag": (mt940(":61:2601150115D1,50NTRFNONREF\n:86:REF :20: of\n:1:2 o'clock\n"), ["15 -1.50"]),
    "windows line ends and blank lines": (
        mt940(":61:2601150115D1,50NTRFNONREF\n\n:86:Shop\n\n").replace("\n", "\r\n"),
        ["15 -1.50"],
    ),
    "an envelope": (f"{{1:F01X}}{{2:O940X}}{{4:\n{mt940(':61:2601150115D1,50NTRFNONREF' + chr(10))}-}}", ["15 -1.50"]),
    "balances that do not add up": (mt940(":61:2601150115D1,50NTRFNONREF\n:86:Shop\n", "D260116EUR9,50"), TOLD),
    "an amount with a point": (mt940(":61:2601150115D1.50NTRFNONREF\n:86:Shop\n"), ["15 -1.50"]),
    "an amount of letters": (mt940(":61:2601150115DX,50NTRFNONREF\n:86:Shop\n"), TOLD),
    "no account": (mt940(":61:2601150115D1,50NTRFNONREF\n").replace(f":25:{IBAN}\n", ""), TOLD),
    "no closing balance": (mt940(":61:2601150115D1,50NTRFNONREF\n").partition(":62F:")[0], TOLD),
}


def ntry(
    amount: str = "1.50", direction: str = "DBIT", day: str = "2026-01-15", more: str = "", currency: str = "EUR"
) -> str:
    booked = f"<BookgDt><Dt>{day}</Dt></BookgDt>" if day else ""
    money = f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>'
    return f"<Ntry>{money}<Sts>BOOK</Sts>{booked}{more}</Ntry>"


def payment(amount: str) -> str:
    return f"<TxDtls><Amt Ccy='EUR'>{amount}</Amt></TxDtls>"


def camt(entries: str, *, root: str = "<Document>", end: str = "</Document>", more: str = "") -> str:
    return (
        f"{root}<BkToCstmrStmt><GrpHdr><MsgId>1</MsgId></GrpHdr><Stmt><Id>1</Id><CreDtTm>2026-01-31T00:00:00</CreDtTm>"
        f"<Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>{more}{entries}</Stmt></BkToCstmrStmt>{end}"
    )


SUMMARY = "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries></TxsSummry>"
CAMT = {
    "no namespace": (camt(ntry()), ["15 -1.50"]),
    "a declaration in Latin 1 and a BOM": ('<?xml version="1.0" encoding="ISO-8859-1"?>' + camt(ntry()), ["15 -1.50"]),
    "a moment as booking day": (
        camt(ntry(day="", more="<BookgDt><DtTm>2026-01-15T23:30:00+01:00</DtTm></BookgDt>")),
        ["15 -1.50"],
    ),
    "only a value day": (camt(ntry(day="", more="<ValDt><Dt>2026-01-15</Dt></ValDt>")), ["15 -1.50"]),
    "no day at all": (camt(ntry(day="")), TOLD),
    "no currency of the amount": (camt(ntry().replace(' Ccy="EUR"', "")), ["15 -1.50"]),
    "a currency that is none": (camt(ntry(currency="EURO DOLLAR")), TOLD),
    "a direction that is none": (camt(ntry(direction="DEBIT")), TOLD),
    "a negative amount": (camt(ntry(amount="-1.50")), TOLD),
    "an amount with a comma": (camt(ntry(amount="1,50")), TOLD),
    "five decimals": (camt(ntry(amount="1.50000")), ["15 -1.50000"]),
    "fewer entries than it says": (camt(ntry(), more=SUMMARY), TOLD),
    "two payments in one entry": (
        camt(ntry(more=f"<NtryDtls>{payment('1.00')}{payment('0.50')}</NtryDtls>")),
        ["15 -1.00", "15 -0.50"],
    ),
    "the end cut off": (camt(ntry())[:-30], TOLD),
    "a statement without entries": (camt(""), []),
}

FORMATS = {"csv": CSV, "ofx": OFX, "qif": QIF, "sta": MT940, "xml": CAMT}
CASES = [(suffix, name, *case) for suffix, cases in FORMATS.items() for name, case in cases.items()]


def attempt(path: Path, stated: dict[str, Any]) -> Reading | None:
    """Read what is at a path; None where it is refused."""
    try:
        return read(path, **stated)
    except InvalidDataError:
        return None


@pytest.mark.parametrize(("suffix", "name", "content", "expected"), CASES, ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_a_reported_file_is_read_right_or_told(tmp_path, suffix, name, content, expected):
    (tmp_path / f"file.{suffix}").write_bytes(content.encode())
    currency = "USD" if "$" in content and suffix == "csv" else "EUR"
    found = attempt(tmp_path, {} if name == "no currency" else {"account": {"currency": currency}})
    if found is None:
        assert expected == TOLD
        return
    rows = [f"{(day_of(row) or date.min).day} {row.amount}" for row in found.rows]
    if expected == TOLD:
        said = [warning for warning in found.warnings if ", line " in warning]
        assert said or found.rejected or found.pages[-1].failures, rows
        return
    assert sorted(rows) == sorted(expected)
    assert not found.rejected
    assert all(row.amount == Decimal(row.amount) for row in found.rows)
