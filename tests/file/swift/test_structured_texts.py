"""Fields `:86:` as Dutch and Polish banks structure them: who, why, and which account."""

import pytest

from worker.connectors.file.swift.structured_texts import structured_text, with_question_marks

BEFORE = ":20:X\n:25:NL91ABNA0417164300\n:28C:1/1\n:60F:C260101EUR100,00\n:61:2601150115D10,00NTRFNONREF\n"
AFTER = "\n:62F:C260131EUR90,00\n"
ABN_DEBIT = (
    "/TRTP/SEPA INCASSO ALGEMEEN DOORLOPEND/CSID/NL11ZZZ00000000000000\n"
    "00058/NAME/STROOM EN WARMTE S.A.R.L. ET CIE S.C/MARF/5WL2224MX5CZY\n"
    "/REMI/KLANT 123 JANUARI/IBAN/NL44RABO0123456789/BIC/RABONL2U\n/EREF/ABC-1"
)
RABO = "/EREF/02-04-2026 22:56 1120000153447185/BENM//NAME/Koffie Nede\nrland B.V./REMI/674725433 x/ISDT/2026-04-03"
ING = "/EREF/EV12341REP//CNTP/NL44RABO0123456789/RABONL2U/BAKKER INZAKE WEB///REMI/USTD//Factuur 7/"
MBANK = (
    "911 TRANSAKCJA COLLECT; ID IPH: XX000000000001; Z RACH.: \n56114010810000267002001001; OD: JAN NOWAK  \n"
    "UL. NIJAKA 1 M 2; TYT.: PRZELEW SRODKOW   ; \nTNR: 179171073864111.010001"
)
MBANK_OUT = (
    "944 CompanyNet Przelew krajowy; na rach.: 35109010560000000006093440; dla: PHU Test; tyt.: fv 100/2026; TNR: 1"
)
PL_IBAN = "PL61109010140000071219812874"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param(
            "/TRTP/SEPA OVERBOEKING/IBAN/NL44RABO0123456789/BIC/RABONL2U\n/NAME/J JANSEN/REMI/FACTUUR 1"
            "/EREF/NOTPRO\nVIDED",
            ("J JANSEN", "FACTUUR 1", "NL44RABO0123456789", None),
            id="ABN AMRO transfer",
        ),
        pytest.param(
            ABN_DEBIT,
            ("STROOM EN WARMTE S.A.R.L. ET CIE S.C", "KLANT 123 JANUARI", "NL44RABO0123456789", "ABC-1"),
            id="ABN AMRO direct debit",
        ),
        pytest.param(
            "BEA   NR:XXX1   22.05.26/13.45\nWINKEL DEN HAAG,PAS999",
            (None, "BEA NR:XXX1 22.05.26/13.45 WINKEL DEN HAAG,PAS999", None, None),
            id="free text",
        ),
        pytest.param(
            RABO, ("Koffie Nederland B.V.", "674725433 x", None, "02-04-2026 22:56 1120000153447185"), id="Rabobank"
        ),
        pytest.param(
            "/ORDP//NAME/Zus/ADDR/Straat 1/REMI/a/ID/b/ISDT/2026-01-15", ("Zus", "a/ID/b", None, None), id="Rabobank in"
        ),
        pytest.param(ING, ("BAKKER INZAKE WEB", "Factuur 7", "NL44RABO0123456789", "EV12341REP"), id="ING"),
        pytest.param(
            "/CNTP/NL44RABO0123456789/RABONL2U/B///REMI/STRD/CUR/9876123456789012//ULTC//NAME/Other/",
            ("B", "9876123456789012", "NL44RABO0123456789", None),
            id="ING, a payment reference and somebody else",
        ),
        pytest.param("/EREF/E1", (None, "/EREF/E1", None, "E1"), id="a reference alone"),
        pytest.param(
            MBANK, ("JAN NOWAK UL. NIJAKA 1 M 2", "PRZELEW SRODKOW", "56114010810000267002001001", None), id="mBank in"
        ),
        pytest.param(MBANK_OUT, ("PHU Test", "fv 100/2026", "35109010560000000006093440", None), id="mBank out"),
        pytest.param(
            "824 OPLATA ZA PRZELEW; TNR: 145271016138247.000001",
            (None, "OPLATA ZA PRZELEW", None, None),
            id="mBank fee",
        ),
        pytest.param(
            f"020~00VE02~20Platnosc karta \n~21Nr karty 4246~22\n~23~30109014~31115031~32SKLEP ~33RADOM\n~38{PL_IBAN}",
            ("SKLEP RADOM", "Platnosc karta Nr karty 4246", PL_IBAN, None),
            id="PKO",
        ),
        pytest.param(
            f"<00PRZELEW<20Czynsz <21styczen<27JAN NOWAK<29UL. NIJAKA<38{PL_IBAN}",
            ("JAN NOWAK UL. NIJAKA", "Czynsz styczen", PL_IBAN, None),
            id="Pekao, without a code",
        ),
        pytest.param(
            "020^00PRZELEW^20Za prad^29UL. NIJAKA^32ENERGIA SA", ("ENERGIA SA", "Za prad", None, None), id="ING PL"
        ),
        pytest.param(
            "166>20a>21b>22c>23d>24e>25f>26g>27h>29i>32JOHN",
            ("JOHN", "a b c d e f g h i", None, None),
            id="a long text",
        ),
        pytest.param("<12 months> plan <34", (None, "<12 months> plan <34", None, None), id="signs within a text"),
        pytest.param("020~10~99x", (None, "020~10~99x", None, None), id="parts that hold no text"),
        pytest.param("~20 zl rabatu", (None, "~20 zl rabatu", None, None), id="a sign within a text"),
    ],
)
def test_a_structured_field_names_the_other_side_and_the_text(reading, field, expected):
    [row] = reading(f"{BEFORE}:86:{field}{AFTER}", name="a.sta").rows
    assert (row.counterparty, row.description, row.counterparty_account, row.reference) == expected


def test_a_code_that_stands_in_a_field_of_its_own_is_left_out(reading):
    [row] = reading(f"{BEFORE}:86:073\n:86:073~00VE02\n~20Kawa~32SKLEP{AFTER}", name="a.sta").rows
    assert (row.counterparty, row.description) == ("SKLEP", "Kawa")


@pytest.mark.parametrize("field", ["", "text", "/", "//", "/NAME", ";;; od:", "020", "~", "~2", "020~20"])
def test_a_field_of_any_form_is_read(field):
    structured_text(field)
    assert isinstance(with_question_marks(field), str)
