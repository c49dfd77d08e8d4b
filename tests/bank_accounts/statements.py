"""Statement files of the kinds of source: real OFX, CAMT, CSV and MT940 with the rows that a source states."""


def _csv(stated):
    rows = "".join(f"{row.booking_on},{row.description},{row.amount}\n" for row in stated.rows)
    return f"Date,Description,Amount\n{rows}"


def _ofx(stated):
    rows = "".join(
        f"<STMTTRN><TRNTYPE>{'CREDIT' if row.amount > 0 else 'DEBIT'}<DTPOSTED>{row.booking_on:%Y%m%d}"
        f"<TRNAMT>{row.amount}<FITID>{row.external_id}<NAME>{row.description}</STMTTRN>"
        for row in stated.rows
    )
    return (
        "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nENCODING:USASCII\nCHARSET:1252\n\n<OFX><BANKMSGSRSV1><STMTTRNRS>"
        "<STMTRS><CURDEF>EUR<BANKACCTFROM><BANKID>1200<ACCTID>00202051<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST>"
        f"{rows}</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
    )


def _camt(stated):
    rows = "".join(
        f'<Ntry><Amt Ccy="EUR">{abs(row.amount)}</Amt><CdtDbtInd>{"CRDT" if row.amount > 0 else "DBIT"}</CdtDbtInd>'
        f"<Sts>BOOK</Sts><BookgDt><Dt>{row.booking_on}</Dt></BookgDt><AcctSvcrRef>{row.external_id}</AcctSvcrRef>"
        f"<AddtlNtryInf>{row.description}</AddtlNtryInf></Ntry>"
        for row in stated.rows
    )
    return (
        '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><Stmt>'
        f"<Id>1</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>{rows}</Stmt>"
        "</BkToCstmrStmt></Document>"
    )


def _mt940(stated):
    rows = "".join(
        f":61:{row.booking_on:%y%m%d%m%d}{'C' if row.amount > 0 else 'D'}{_with_comma(row.amount)}NTRFNONREF\n"
        f":86:{row.description}\n"
        for row in stated.rows
    )
    first, last = stated.rows[0], stated.rows[-1]
    closing = 1000 + sum(row.amount for row in stated.rows)
    return (
        f":20:X\n:25:DE02120300000000202051\n:28C:1\n:60F:C{first.booking_on:%y%m%d}EUR1000,00\n{rows}"
        f":62F:{'C' if closing >= 0 else 'D'}{last.booking_on:%y%m%d}EUR{_with_comma(closing)}\n-\n"
    )


def _with_comma(amount):
    return str(abs(amount)).replace(".", ",")


FILES = {"csv": _csv, "ofx": _ofx, "camt": _camt, "mt940": _mt940}
"""Writes what a source states as a file of its kind."""
