"""Statement files over HTTP: what is understood of one, and the import of it with what a person states."""

import pytest
from sqlalchemy import text

from worker.connections.credentials import open_taken, take_config
from worker.connections.statement_files import keep
from worker.connectors.file import FileConfig
from worker.connectors.file.statement.files import folder_files
from worker.connectors.file.table.profile_files import folder_profiles

BASE = "/bank-connections"
CARD = b"Date,Merchant,Amount\n03/04/2026,Bakery,3.20\n05/04/2026,Fuel,40.00\n06/04/2026,Refund,12.00\n"
MT940 = (
    b":20:A\n:25:DE02120300000000202051\n:28C:1\n:60F:C260101EUR10,00\n:61:2601020102D4,00NTRFNONREF\n:86:Shop\n"
    b":62F:C260102EUR5,00\n-\n"
)


def _inspected(client, content, name="march.csv", **form):
    answer = client.post(f"{BASE}/files/inspections", files={"file": (name, content)}, data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_refused_file_comes_with_questions_whose_fields_are_those_of_the_form(client):
    form = {}
    for _ in range(3):
        shown = _inspected(client, CARD, **form)
        if shown["files"]:
            break
        [refused] = shown["refused"]
        assert refused["file"] == "march.csv"
        for question in refused["questions"]:
            form[question["field"]] = question["choices"][-1]
    assert form == {"date_order": "mdy", "positive_is": "out"}
    [file] = shown["files"]
    assert [(one["money_in"], one["money_out"]) for one in file["accounts"]] == [("0", "-55.20")]
    assert file["accounted"] == {
        "unit": "row",
        "total": 4,
        "transaction": 3,
        "header": 1,
        "rejected": 0,
        "left_out": 0,
        "balance": 0,
        "remark": 0,
    }


@pytest.mark.parametrize("name", ["evil.toml", "EVIL.TOML", "notes.md", "a.csv"])
def test_an_upload_is_a_statement_whatever_it_is_called(client, settings, name):
    """Not a profile, which would be read with the files beside it, and not a file that a folder passes over."""
    profile = 'date = "Date"\namount = "Amount"\ndescription = "Merchant"\nsample = """\n'
    rows = 'Date,Merchant,Amount\n2026-04-13,Bakery,3.20\n2026-04-14,Fuel,40.00\n"""\n'
    upload = {"file": (name, f"{profile}{rows}".encode())}
    answer = client.post(f"{BASE}/files", files=upload, data={"positive_is": "out"})
    assert answer.status_code == 202, answer.text
    [folder] = settings.statement_folder.glob("user-*/*")
    [kept] = folder.iterdir()
    assert folder_files(folder) == [kept]
    assert not folder_profiles(folder)


def test_a_statement_that_was_kept_where_a_folder_passes_over_it_is_read_when_it_comes_again(tmp_path):
    folder = tmp_path / "kept"
    source = tmp_path / "rows.toml"
    source.write_bytes(CARD)
    first = keep(source, folder)
    passed_over = first.rename(first.with_suffix(""))
    assert folder_files(folder) == []
    again = keep(source, folder)
    assert folder_files(folder) == [again] != [passed_over]
    assert keep(source, folder) == again
    assert list(folder.iterdir()) == [again]


def test_an_inspection_says_what_does_not_add_up_and_keeps_nothing(client, settings, sessions):
    [file] = _inspected(client, MT940, "x.sta")["files"]
    [account] = file["accounts"]
    assert (account["adds_up"], account["off_by"]) == ("mismatch", "-1.00")
    assert not settings.statement_folder.exists()
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM bank_connections")) == 0


@pytest.mark.parametrize(
    ("form", "key", "value"),
    [
        ({"date_order": "dmy", "positive_is": "out"}, "positive_is", "out"),
        ({"date_order": "dmy", "positive_is": "out", "direction_from": "word"}, "direction_from", "word"),
        ({"date_order": "dmy", "positive_is": "out", "decimal": "."}, "decimal", "."),
        ({"date_order": "dmy", "positive_is": "out", "reports": "new"}, "reports", "new"),
        (
            {"date_order": "dmy", "positive_is": "out", "column": ["Merchant=counterparty"]},
            "columns",
            {"Merchant": "counterparty"},
        ),
        ({"date_order": "dmy", "positive_is": "out", "ignore": ["Merchant", "x"]}, "ignored", ("Merchant", "x")),
        ({"date_order": "dmy", "positive_is": "out", "encoding": "cp1250"}, "encoding", "cp1250"),
    ],
)
def test_what_the_form_states_is_kept_with_the_connection(client, app, form, key, value):
    answer = client.post(f"{BASE}/files", files={"file": ("march.csv", CARD)}, data=form)
    assert answer.status_code == 202, answer.text
    service = app.state.services.connection_service
    stored = take_config(service.sessions, answer.json()["connection_id"])
    config = open_taken(service.sessions, service.vault, stored, FileConfig)
    assert getattr(config, key) == value
    assert config.date_order == "dmy"


def test_an_account_is_stated_with_currency_iban_and_sign(client):
    form = {"date_order": "dmy", "positive_is": "out", "currency": "CHF", "iban": "CH93 0076 2011 6238 5295 7"}
    [file] = _inspected(client, CARD, flip_sign="true", **form)["files"]
    [account] = file["accounts"]
    assert (account["currency"], account["known_by"], account["money_in"]) == ("CHF", "iban", "55.20")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"column": "Merchant"}, "NAME=FIELD"),
        ({"column": "Merchant=nothing"}, "nothing a column can hold"),
        ({"date_order": "dym"}, "date_order"),
        ({"iban": "DE00"}, "check digits"),
        ({"encoding": "klingon"}, "no character encoding"),
        ({"profile": "no-such-bank"}, "no such profile"),
    ],
)
def test_a_wrong_option_is_named(client, form, said):
    for path in ("files", "files/inspections"):
        answer = client.post(f"{BASE}/{path}", files={"file": ("march.csv", CARD)}, data=form)
        assert answer.status_code == 422, answer.text
        assert said in answer.text
