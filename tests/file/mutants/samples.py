"""Invented statements of every format, whole and consistent, for the mutations."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

IBAN = "DE02120300000000202051"
OTHER_IBAN = "NL91ABNA0417164300"
_SHOPS = (
    "Bakery",
    "Fuel, station",
    "Rent \u2013 March",
    "Salary",
    'The "Corner" shop',
    "Pharmacy",
    "A & B",
    "ATM",
)
_CENTS = (-320, -6010, -85000, 245037, -1599, -720, -1250, -5000, -999, 1200, -3333, -4401)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One booking of the invented account."""

    on: date
    amount: Decimal
    text: str
    balance: Decimal
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A statement to be mutated. stated: what a person would state about it."""

    name: str
    suffix: str
    text: str
    encoding: str = "utf-8"


def entries(opening: str = "1000.00", first: date = date(2026, 1, 5)) -> list[Entry]:
    """Return twelve bookings with a running balance."""
    balance, found = Decimal(opening), []
    for number, cents in enumerate(_CENTS):
        amount = Decimal(cents) / 100
        balance += amount
        found.append(
            Entry(
                on=first + timedelta(days=number * 2),
                amount=amount,
                text=_SHOPS[number % len(_SHOPS)],
                balance=balance,
                number=number,
            )
        )
    return found


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _german(amount: Decimal) -> str:
    return f"{amount:,.2f}".replace(",", "x").replace(".", ",").replace("x", ".")


def csv_english() -> str:
    rows = [f"{one.on},{_quoted(one.text)},{one.amount},{one.balance}" for one in entries()]
    return "\n".join(["Date,Description,Amount,Balance", *rows, ""])


def csv_german() -> str:
    head = f"Konto;Girokonto\nIBAN;{IBAN}\n\n"
    rows = [f"{one.on:%d.%m.%Y};{one.on:%d.%m.%Y};{_quoted(one.text)};{_german(one.amount)};EUR" for one in entries()]
    return head + "\n".join(["Buchungstag;Valuta;Verwendungszweck;Betrag;W\u00e4hrung", *rows, ""])


def csv_split() -> str:
    rows = [
        f"{one.on:%m/%d/%Y},{_quoted(one.text)},{-one.amount if one.amount < 0 else ''},"
        f"{one.amount if one.amount > 0 else ''},{one.balance}"
        for one in entries()
    ]
    total = "Total,,,,"
    return "\n".join(["Date,Description,Debit,Credit,Balance", *rows, total, ""])


def csv_directed() -> str:
    rows = [
        f"{one.on:%d-%m-%Y}\t{one.text}\t{abs(one.amount)}\t{'DR' if one.amount < 0 else 'CR'}" for one in entries()
    ]
    return "\n".join(["Txn Date\tNarration\tAmount\tDr/Cr", *rows, ""])


def _transaction(one: Entry) -> str:
    text = one.text.replace("&", "&amp;")
    return (
        f"<STMTTRN>\n<TRNTYPE>OTHER\n<DTPOSTED>{one.on:%Y%m%d}\n<TRNAMT>{one.amount}\n<FITID>2026-{one.number:06}\n"
        f"<NAME>{text}\n<MEMO>payment {one.number}\n</STMTTRN>\n"
    )


def _bank(rows: str, number: str, balance: Decimal) -> str:
    return (
        "<STMTTRNRS>\n<TRNUID>1\n<STMTRS>\n<CURDEF>EUR\n<BANKACCTFROM>\n<BANKID>12030000\n"
        f"<ACCTID>{number}\n<ACCTTYPE>CHECKING\n</BANKACCTFROM>\n<BANKTRANLIST>\n<DTSTART>20260101\n<DTEND>20260131\n"
        f"{rows}</BANKTRANLIST>\n<LEDGERBAL>\n<BALAMT>{balance}\n<DTASOF>20260131\n</LEDGERBAL>\n</STMTRS>\n</STMTTRNRS>\n"
    )


def ofx_sgml() -> str:
    rows = entries()
    one = _bank("".join(map(_transaction, rows[:7])), "1234567890", rows[6].balance)
    two = _bank("".join(map(_transaction, rows[7:])), "5555500001", rows[-1].balance)
    head = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nENCODING:USASCII\nCHARSET:1252\n\n"
    sign_on = "<SIGNONMSGSRSV1>\n<SONRS>\n<STATUS>\n<CODE>0\n<SEVERITY>INFO\n</STATUS>\n</SONRS>\n</SIGNONMSGSRSV1>\n"
    return f"{head}<OFX>\n{sign_on}<BANKMSGSRSV1>\n{one}{two}</BANKMSGSRSV1>\n</OFX>\n"


def ofx_xml() -> str:
    rows = "".join(
        f"<STMTTRN><TRNTYPE>OTHER</TRNTYPE><DTPOSTED>{one.on:%Y%m%d}120000[-5:EST]</DTPOSTED>"
        f"<TRNAMT>{one.amount}</TRNAMT><FITID>2026-{one.number:06}</FITID><NAME>{one.text.replace('&', '&amp;')}</NAME>"
        "</STMTTRN>\n"
        for one in entries()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="211"?>\n<OFX><CREDITCARDMSGSRSV1>'
        "<CCSTMTTRNRS><TRNUID>1</TRNUID><CCSTMTRS><CURDEF>EUR</CURDEF><CCACCTFROM><ACCTID>4111111111111111</ACCTID>"
        f"</CCACCTFROM>\n<BANKTRANLIST><DTSTART>20260101</DTSTART><DTEND>20260131</DTEND>\n{rows}</BANKTRANLIST>"
        "<LEDGERBAL><BALAMT>10.00</BALAMT><DTASOF>20260131</DTASOF></LEDGERBAL>"
        "</CCSTMTRS></CCSTMTTRNRS></CREDITCARDMSGSRSV1></OFX>\n"
    )


def _camt_balance(code: str, amount: Decimal, on: date) -> str:
    return (
        f'<Bal>\n<Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>\n<Amt Ccy="EUR">{abs(amount)}</Amt>\n'
        f"<CdtDbtInd>{'CRDT' if amount >= 0 else 'DBIT'}</CdtDbtInd>\n<Dt><Dt>{on}</Dt></Dt>\n</Bal>\n"
    )


def _camt_entry(one: Entry) -> str:
    text, direction = one.text.replace("&", "&amp;"), "CRDT" if one.amount > 0 else "DBIT"
    return (
        f'<Ntry>\n<Amt Ccy="EUR">{abs(one.amount)}</Amt>\n<CdtDbtInd>{direction}</CdtDbtInd>\n'
        f"<Sts>BOOK</Sts>\n<BookgDt><Dt>{one.on}</Dt></BookgDt>\n<ValDt><Dt>{one.on}</Dt></ValDt>\n"
        f"<NtryDtls><TxDtls><RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls>\n</Ntry>\n"
    )


def camt() -> str:
    rows = entries()
    parts = (rows[:6], rows[6:])
    statements = ""
    for number, part in enumerate(parts, start=1):
        opening = part[0].balance - part[0].amount
        statements += (
            f"<Stmt>\n<Id>{number}</Id>\n<ElctrncSeqNb>{number}</ElctrncSeqNb>\n<CreDtTm>2026-02-01T08:00:00</CreDtTm>\n"
            f"<Acct>\n<Id><IBAN>{IBAN}</IBAN></Id>\n<Ccy>EUR</Ccy>\n</Acct>\n"
            f"{_camt_balance('OPBD', opening, part[0].on)}{_camt_balance('CLBD', part[-1].balance, part[-1].on)}"
            f"{''.join(map(_camt_entry, part))}</Stmt>\n"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">\n'
        "<BkToCstmrStmt>\n<GrpHdr>\n<MsgId>1</MsgId>\n<CreDtTm>2026-02-01T08:00:00</CreDtTm>\n</GrpHdr>\n"
        f"{statements}</BkToCstmrStmt>\n</Document>\n"
    )


def _swift(amount: Decimal) -> str:
    return f"{abs(amount):.2f}".replace(".", ",")


def _mark(amount: Decimal) -> str:
    return "C" if amount >= 0 else "D"


def _swift_line(one: Entry) -> str:
    text = one.text.replace("\u2013", "-")
    return (
        f":61:{one.on:%y%m%d%m%d}{_mark(one.amount)}{_swift(one.amount)}NTRFNONREF//B{one.number:05}\n"
        f":86:166?00GUTSCHRIFT?20SVWZ+{text}?21payment {one.number}\n?32Someone Else\n"
    )


def mt940() -> str:
    rows = entries()
    found = ""
    for number, part in enumerate((rows[:6], rows[6:]), start=1):
        opening = part[0].balance - part[0].amount
        found += (
            f":20:STARTUMS\n:25:12030000/202051\n:28C:{number}/1\n"
            f":60F:{_mark(opening)}{part[0].on:%y%m%d}EUR{_swift(opening)}\n{''.join(map(_swift_line, part))}"
            f":62F:{_mark(part[-1].balance)}{part[-1].on:%y%m%d}EUR{_swift(part[-1].balance)}\n-\n"
        )
    return found


def mt940_two_accounts() -> str:
    rows = entries()
    found = ""
    for number, part in ((IBAN, rows[:6]), (OTHER_IBAN, rows[6:])):
        opening = part[0].balance - part[0].amount
        lines = "".join(
            f":61:{one.on:%y%m%d}{_mark(one.amount)}{_swift(one.amount)}NMSCNONREF\n:86:{one.text}\n" for one in part
        )
        found += (
            f"{{1:F01BANKDEFFXXXX0000000000}}{{2:I940BANKDEFFXXXXN}}{{4:\n:20:REF{number[:2]}\n:25:{number}\n:28C:1\n"
            f":60F:{_mark(opening)}{part[0].on:%y%m%d}EUR{_swift(opening)}\n{lines}"
            f":62F:{_mark(part[-1].balance)}{part[-1].on:%y%m%d}EUR{_swift(part[-1].balance)}\n-}}\n"
        )
    return found.replace("\u2013", "-")


def qif() -> str:
    rows = "".join(f"D{one.on:%d/%m/%Y}\nT{one.amount}\nP{one.text}\nMpayment {one.number}\n^\n" for one in entries())
    return f"!Type:Bank\n{rows}"


SAMPLES = (
    Sample(name="qif", suffix="qif", text=qif()),
    Sample(name="csv-english", suffix="csv", text=csv_english()),
    Sample(name="csv-german", suffix="csv", text=csv_german(), encoding="cp1252"),
    Sample(name="csv-split", suffix="csv", text=csv_split()),
    Sample(name="csv-directed", suffix="csv", text=csv_directed(), encoding="utf-16"),
    Sample(name="ofx-sgml", suffix="ofx", text=ofx_sgml(), encoding="cp1252"),
    Sample(name="ofx-xml", suffix="ofx", text=ofx_xml()),
    Sample(name="camt", suffix="xml", text=camt()),
    Sample(name="mt940", suffix="sta", text=mt940()),
    Sample(name="mt940-two-accounts", suffix="sta", text=mt940_two_accounts()),
)
