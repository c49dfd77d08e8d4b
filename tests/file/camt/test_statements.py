"""CAMT: any version and prefix, batches, reversals, statuses, balances, periods."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from worker.connectors.base import Window
from worker.connectors.errors import InvalidDataError

IBAN = "DE89370400440532013000"


def balance(code: str, amount: str, direction: str = "CRDT", day: str = "2026-01-31") -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{amount}</Amt>"
        f"<CdtDbtInd>{direction}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def entry(amount: str = "5.00", direction: str = "DBIT", *, more: str = "", status: str = "<Sts>BOOK</Sts>") -> str:
    return (
        f"<Ntry><Amt Ccy='EUR'>{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>{status}"
        f"<BookgDt><Dt>2026-01-15</Dt></BookgDt><ValDt><Dt>2026-01-16</Dt></ValDt>{more}</Ntry>"
    )


def details(amount: str, name: str, direction: str = "DBIT") -> str:
    party = "Cdtr" if direction == "DBIT" else "Dbtr"
    return (
        f"<TxDtls><Refs><EndToEndId>E-{name}</EndToEndId></Refs>"
        f"<Amt Ccy='EUR'>{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>"
        f"<RltdPties><{party}><Nm>{name}</Nm></{party}></RltdPties><RmtInf><Ustrd>for {name}</Ustrd></RmtInf></TxDtls>"
    )


def statement(entries: str, *, balances: str = "", kind: str = "Stmt", namespace: str = "camt.053.001.02") -> str:
    return (
        f'<?xml version="1.0"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{namespace}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>1</MsgId><CreDtTm>2026-02-01T08:00:00+01:00</CreDtTm></GrpHdr>\n<{kind}><Id>1</Id>"
        f"<CreDtTm>2026-02-01T08:00:00+01:00</CreDtTm><FrToDt><FrDtTm>2026-01-01T00:00:00+01:00</FrDtTm>"
        f"<ToDtTm>2026-01-31T23:59:59+01:00</ToDtTm></FrToDt><Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{balances}\n{entries}</{kind}></BkToCstmrStmt></Document>"
    )


@pytest.fixture
def camt(reading):
    def read(content, **stated):
        return reading(content, name="a.xml", **stated)

    return read


ADDS_UP = balance("OPBD", "20.00") + balance("CLBD", "15.00")


def test_a_statement_that_adds_up_covers_its_period(camt):
    found = camt(statement(entry(), balances=ADDS_UP))
    assert (found.accounts[0].anchor, found.accounts[0].currency) == (f"iban:{IBAN}", "EUR")
    assert found.accounts[0].balance.amount == Decimal("15.00")
    assert (found.rows[0].booking_on, found.rows[0].value_on) == (date(2026, 1, 15), date(2026, 1, 16))
    assert found.pages[-1].covers == Window(from_on=date(2026, 1, 1), to_on=date(2026, 1, 31))


@pytest.mark.parametrize(
    "spoilt",
    [
        {"entries": entry(), "balances": balance("OPBD", "20.00") + balance("CLBD", "99.00")},
        {"entries": entry()},
        {"entries": entry() + entry("x"), "balances": ADDS_UP},
        {"entries": entry().replace("2026-01-15", "2025-12-31"), "balances": ADDS_UP},
        {"entries": entry(), "kind": "Rpt", "balances": ADDS_UP},
        {"entries": entry(), "balances": f"{ADDS_UP}<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"},
    ],
    ids=[
        "does not add up",
        "no balances",
        "a row is rejected",
        "a row lies outside",
        "intraday report",
        "not the last page",
    ],
)
def test_a_statement_that_is_not_whole_covers_nothing(camt, spoilt):
    assert camt(statement(**spoilt)).pages[-1].covers is None


def test_prefixes_and_unknown_versions_are_the_same_to_it(camt):
    plain = statement(entry(), namespace="camt.053.001.99")
    prefixed = (
        plain.replace("<", "<ns2:").replace("<ns2:/", "</ns2:").replace("<ns2:?", "<?").replace("xmlns=", "xmlns:ns2=")
    )
    assert camt(prefixed).rows == camt(plain).rows


@pytest.mark.parametrize(
    ("direction", "amount"), [("DBIT", "-5.00"), ("CRDT", "5.00")], ids=["returned credit", "returned debit"]
)
def test_a_reversal_moves_money_the_way_its_indicator_says(camt, direction, amount):
    found = camt(statement(entry(direction=direction, more="<RvslInd>true</RvslInd>")))
    assert found.amounts == [Decimal(amount)]
    assert found.rows[0].raw["RvslInd"] == "true"


BATCH = entry(
    "8.00", more=f"<NtryDtls><Btch><NbOfTxs>2</NbOfTxs></Btch>{details('5.00', 'A')}{details('3.00', 'B')}</NtryDtls>"
)


def test_a_collective_entry_is_one_line_where_its_payments_are_not_wanted_singly(camt):
    [row] = camt(statement(BATCH), split_batches=False).rows
    assert (row.amount, row.counterparty, len(row.raw["TxDtls"])) == (Decimal("-8.00"), None, 2)


def test_its_payments_are_booked_singly_where_they_add_up(camt):
    found = camt(statement(BATCH))
    assert [(row.amount, row.counterparty, row.description, row.reference) for row in found.rows] == [
        (Decimal("-5.00"), "A", "for A", "E-A"),
        (Decimal("-3.00"), "B", "for B", "E-B"),
    ]


def test_payments_that_do_not_add_up_stay_one_line(camt):
    assert camt(statement(BATCH.replace(">3.00<", ">2.00<")), split_batches=True).amounts == [Decimal("-8.00")]


@pytest.mark.parametrize("status", ["<Sts>{}</Sts>", "<Sts><Cd>{}</Cd></Sts>"], ids=["text", "code"])
def test_pending_entries_are_pending_and_announcements_are_left_out(camt, status):
    entries = "".join(entry(status=status.format(code)) for code in ("BOOK", "PDNG", "INFO"))
    found = camt(statement(entries))
    assert [row.pending for row in found.rows] == [False, True]
    assert any("an announcement, not booked" in warning for warning in found.warnings)


def test_the_day_is_the_one_the_bank_wrote_in_its_own_offset(camt):
    local = entry().replace("<Dt>2026-01-15</Dt>", "<DtTm>2026-01-15T00:30:00+01:00</DtTm>")
    moment = entry().replace("<Dt>2026-01-15</Dt>", "<DtTm>2026-01-14T23:30:00Z</DtTm>")
    rows = camt(statement(local + moment)).rows
    assert [row.booking_on for row in rows] == [date(2026, 1, 15), None]
    assert rows[1].booking_at == datetime(2026, 1, 14, 23, 30, tzinfo=UTC)


def test_an_entry_without_dates_counts_for_the_end_of_the_statement(camt):
    bare = "<Ntry><Amt Ccy='EUR'>5.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts></Ntry>"
    assert camt(statement(bare)).rows[0].booking_on == date(2026, 1, 31)


def test_the_other_side_of_a_payment_is_found_by_its_direction(camt):
    both = (
        "<NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>Debtor</Nm></Pty></Dbtr><Cdtr><Pty><Nm>Creditor</Nm></Pty></Cdtr>"
        "<CdtrAcct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></CdtrAcct></RltdPties></TxDtls></NtryDtls>"
    )
    out, in_ = camt(statement(entry(more=both) + entry(direction="CRDT", more=both))).rows
    assert (out.counterparty, out.counterparty_account) == ("Creditor", "NL91ABNA0417164300")
    assert (in_.counterparty, in_.counterparty_account) == ("Debtor", None)


def test_a_bad_entry_is_rejected_with_its_line_and_the_others_are_kept(camt):
    found = camt(statement(entry() + "\n" + entry("1e3") + "\n" + entry("7.00")))
    assert found.amounts == [Decimal("-5.00"), Decimal("-7.00")]
    assert found.rejected == ["a.xml, line 5: amount '1e3' is not an amount with '.' as decimal mark"]


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_file_cut_off_is_refused_with_its_line(camt, cut):
    whole = statement(entry() * 20)
    with pytest.raises(InvalidDataError, match=r"line [0-9]+: is not well-formed"):
        camt(whole[: int(len(whole) * cut)])


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ("<Btch><NbOfTxs>3</NbOfTxs></Btch>", "has 3 payments and lists 2"),
        ("<Btch><TtlAmt Ccy='EUR'>99.00</TtlAmt></Btch>", "make 99.00, they make 10.00"),
    ],
)
def test_a_batch_that_states_otherwise_about_its_payments_is_told(reading, batch, said):
    payments = details("6.00", "Ada") + details("4.00", "Bob")
    content = statement(entry("10.00", more=f"<NtryDtls>{batch}{payments}</NtryDtls>"))
    assert any(said in warning for warning in reading(content, name="a.xml").warnings)


def test_one_iban_with_statements_in_two_currencies_is_two_accounts(camt):
    euro = statement(entry(), balances=ADDS_UP)
    ending = "</BkToCstmrStmt></Document>"
    dollar = euro[euro.index("<Stmt>") :].replace("EUR", "USD")
    found = camt(euro.removesuffix(ending) + dollar)
    euros, dollars = found.accounts
    assert (euros.currency, dollars.currency) == ("EUR", "USD")
    assert euros.anchor == dollars.anchor
    assert [(row.account_id, row.currency) for row in found.rows] == [
        (euros.external_id, "EUR"),
        (dollars.external_id, "USD"),
    ]


KEPT = "<RvslInd>true</RvslInd>"


@pytest.mark.parametrize(
    ("reversal", "amounts"),
    [
        (entry("30.00", more=KEPT), ["30.00"]),
        (entry("30.00", more="<RvslInd> true\n</RvslInd>"), ["30.00"]),
        (
            entry("30.00", more=f"{KEPT}<NtryDtls>{details('10.00', 'A')}{details('20.00', 'B')}</NtryDtls>"),
            ["10.00", "20.00"],
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_balances_turn_a_reversal_round_however_it_is_written(camt, reversal, amounts, encoding):
    balances = balance("OPBD", "20.00") + balance("CLBD", "50.00")
    content = statement(reversal, balances=balances).replace('version="1.0"', f'version="1.0" encoding="{encoding}"')
    found = camt(content, encoding=encoding)
    assert found.amounts == [Decimal(text) for text in amounts]
    assert not any(page.failures for page in found.pages)


def test_a_zero_entry_has_no_sign(camt):
    assert str(camt(statement(entry("0.00"))).amounts[0]) == "0.00"


def test_reports_of_one_day_that_repeat_the_entries_so_far_give_each_once(camt):
    first, other, second = entry("5.00"), entry("1.00"), entry("7.00")
    account = f"<Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
    balances = balance("OPBD", "50.00") + balance("ITBD", "32.00")
    reports = f"<Rpt>{account}{first}{first}{other}</Rpt><Rpt>{account}{balances}{first}{first}{other}{second}</Rpt>"
    found = camt(f"<Document><BkToCstmrAcctRpt>{reports}</BkToCstmrAcctRpt></Document>")
    assert [str(one) for one in found.amounts] == ["-5.00", "-5.00", "-1.00", "-7.00"]
    assert any("3 lines left out: a row of an earlier statement in the file" in warning for warning in found.warnings)
    assert not any(page.failures for page in found.pages)


LONG = "9" * 5000
"""More figures than Python makes a number of."""


def test_a_number_longer_than_any_count_is_no_error_of_ours(camt):
    batch = f"<NtryDtls><Btch><NbOfTxs>{LONG}</NbOfTxs></Btch>{details('5.00', 'A')}{details('3.00', 'B')}</NtryDtls>"
    number = f"<ElctrncSeqNb>{LONG}</ElctrncSeqNb>"
    totals = f"<TxsSummry><TtlNtries><NbOfNtries>{LONG}</NbOfNtries></TtlNtries></TxsSummry>"
    assert len(camt(statement(number + totals + entry("8.00", more=batch))).rows) == 2
