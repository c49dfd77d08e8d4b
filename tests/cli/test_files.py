"""`finmind-worker files`: see what is understood before anything is imported, then import it."""

import io
import json
import sys
from pathlib import Path

import pytest

from worker.connectors.file.table.profile_files import built_in_profile

CSV = "Date,Description,Amount\n2026-01-31,Rent,-5.00\n2026-02-01,Tea,abc\n"
UNCLEAR = "Date,Description,Amount\n03/04/2026,a,-1.00\n05/04/2026,b,-1.00\n"
PROFILE = 'date = "Tag"\namount = "Wert"\ndecimal = ","\ndescription = "Was"\ncurrency = "CHF"\n'


@pytest.fixture
def addressed(monkeypatch, database_url, redis_url):
    from worker.credentials import generate_key

    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("CREDENTIAL_KEYS", generate_key())


def test_a_file_is_shown_without_a_database(command):
    Path("a.csv").write_text(CSV)
    answer = command("files", "inspect", "a.csv")
    assert answer.code == 3, answer.err
    for piece in (
        "a.csv: CSV, profile guessed (confidence",
        "date = date, amount = amount",
        "1, 1 rejected, 2026-01-31",
    ):
        assert piece in answer.out
    assert "line 3: amount 'abc' is not an amount" in answer.out


def test_a_report_is_complete_as_json(command):
    Path("a.csv").write_text(CSV)
    [file] = json.loads(command("files", "inspect", "a.csv", "--json").out)["files"]
    [account] = file["accounts"]
    assert (file["format"], file["profile"], file["date_order"], file["decimal"]) == ("csv", "guessed", "ymd", ".")
    assert (account["rows"], account["money_out"], account["adds_up"]) == (1, "-5.00", "unproven")
    assert file["rejected"] == [{"line": 3, "reason": "amount 'abc' is not an amount with '.' as decimal mark"}]


def test_a_refused_file_ends_with_one_and_its_reason(command):
    Path("a.csv").write_text(UNCLEAR)
    answer = command("files", "inspect", "a.csv")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("refused: a.csv: '03/04/2026' and all other dates fit both")
    shown = json.loads(command("files", "inspect", "a.csv", "--json").out)
    assert (shown["files"], shown["refused"][0]["file"]) == ([], "a.csv")


def test_a_folder_of_good_and_bad_files_ends_with_three(command):
    Path("drop").mkdir()
    Path("drop/a.csv").write_text(CSV)
    Path("drop/b.csv").write_text(UNCLEAR)
    assert command("files", "inspect", "drop").code == 3


def test_what_the_file_does_not_prove_is_stated_by_a_flag(command):
    Path("a.csv").write_text(UNCLEAR)
    answer = command("files", "inspect", "a.csv", "--date-order", "mdy", "--currency", "usd")
    assert answer.code == 0, answer.err
    assert "2026-03-04 to 2026-05-04" in answer.out
    assert "unknown, USD" in answer.out


def test_a_profile_in_a_file_of_its_own_reads_a_layout_nobody_knew(command):
    Path("mine.toml").write_text(PROFILE)
    Path("a.csv").write_text("Tag;Wert;Was\n31.01.2026;-5,00;Miete\n")
    answer = command("files", "inspect", "a.csv", "--profile", "mine.toml")
    assert answer.code == 0, answer.err
    assert "CSV, profile mine (confidence 1.00)" in answer.out


def test_standard_input_is_inspected(command, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
    assert "stdin: CSV" in command("files", "inspect", "-").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("inspect", "gone.csv"), "there is no such file"),
        (("inspect", "a.csv", "--profile", "nobody"), "files profiles"),
        (("inspect", "a.csv", "--profile", "broken.toml"), "profile: date: Field required"),
        (("inspect", "a.csv", "--date-order", "dym"), "--date-order"),
        (("inspect", "a.csv", "--currency", "EURO"), "--currency: is no ISO 4217 currency"),
        (("inspect", "a.csv", "--iban", "DE00"), "--iban: is no IBAN"),
    ],
)
def test_wrong_usage_is_one_clear_line(command, arguments, said):
    Path("a.csv").write_text(CSV)
    Path("broken.toml").write_text('amount = "Wert"\n')
    answer = command("files", *arguments)
    assert answer.code == 2
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1


def test_profiles_are_listed_and_one_is_a_start_for_ones_own(command):
    assert "chase-card" in command("files", "profiles").out
    names = [one["name"] for one in json.loads(command("files", "profiles", "--json").out)]
    assert names == sorted(names)
    Path("own.toml").write_text(command("files", "profiles", "ing-nl").out)
    bank = Path("ing.csv")
    bank.write_text(built_in_profile("ing-nl").sample)
    assert command("files", "inspect", bank, "--profile", "own.toml").code == 0


@pytest.mark.usefixtures("addressed")
def test_an_import_keeps_the_file_and_uses_one_connection(command, user_id):
    Path("a.csv").write_text(CSV)
    Path("b.csv").write_text(CSV.replace("2026-01-31", "2026-03-01"))
    for name in ("a.csv", "a.csv", "b.csv"):
        answer = command("files", "import", name, "--user", user_id, "--currency", "EUR")
        assert answer.code == 0, answer.err
    [connection] = json.loads(command("connections", "list", "--json").out)
    assert (connection["connector_name"], connection["display_name"]) == ("file", "Statement files")
    kept = sorted(path.name.split("-", 1)[1] for path in Path(".finmind/statements").rglob("*.csv"))
    assert kept == ["a.csv", "b.csv"]


@pytest.mark.usefixtures("addressed")
def test_files_that_are_read_in_another_way_have_a_connection_of_their_own(command, user_id):
    Path("a.csv").write_text(CSV)
    for flags in ((), ("--flip-sign",)):
        assert command("files", "import", "a.csv", "--user", user_id, *flags).code == 0
    assert len(json.loads(command("connections", "list", "--json").out)) == 2


@pytest.mark.usefixtures("addressed")
def test_a_file_that_is_refused_makes_no_connection(command, user_id):
    Path("a.csv").write_text(UNCLEAR)
    answer = command("files", "import", "a.csv", "--user", user_id)
    assert answer.code == 1
    assert answer.err.startswith("error: a.csv: '03/04/2026'")
    assert json.loads(command("connections", "list", "--json").out) == []


CARD = (
    "Date,Description,Amount\n"
    "2026-01-13,Book,8.01\n2026-01-14,PAYMENT,-52.42\n2026-01-15,Tea,5.24\n2026-01-16,Hat,9.00\n"
)


def test_a_profile_is_proposed_with_a_question_for_each_doubt(command):
    Path("card.csv").write_text(CARD)
    answer = command("files", "profile", "card.csv", "--json")
    shown = json.loads(answer.out)
    assert answer.code == 3
    assert [(one["field"], one["choices"]) for one in shown["questions"]] == [("positive_is", ["out", "in"])]
    assert (shown["profile"]["date"], shown["profile"]["amount"]) == ("date", "amount")
    settled = command("files", "profile", "card.csv", "--positive-is", "out")
    assert (settled.code, 'sign = "flipped"' in settled.out) == (0, True)
    Path("card.toml").write_text(settled.out)
    [file] = json.loads(command("files", "inspect", "card.csv", "--profile", "card.toml", "--json").out)["files"]
    assert file["accounts"][0]["money_out"] == "-22.25"


def test_a_file_without_a_header_is_read_by_the_numbers_of_its_columns(command):
    Path("a.csv").write_text("2026-01-05,Bakery,-3.20,-1.10\n2026-01-06,Fuel,-60.10,-9.90\n")
    assert "state --column NAME=date" in " ".join(command("files", "inspect", "a.csv").err.split())
    stated = ("--column", "1=date", "--column", "2=description", "--column", "3=amount", "--ignore", "column 4")
    answer = command("files", "inspect", "a.csv", *stated)
    assert (answer.code, "out -63.30" in answer.out) == (0, True)


def test_a_statement_that_does_not_add_up_ends_with_three(command):
    Path("a.sta").write_text(
        ":20:X\n:25:NL91ABNA0417164300\n:28C:1\n:60F:C260101EUR100,00\n:61:2601020102D5,00NTRFNONREF\n"
        ":86:Shop\n:62F:C260102EUR90,00\n-\n"
    )
    answer = command("files", "inspect", "a.sta")
    assert answer.code == 3
    assert "the statement that closes on 2026-01-02 does not add up" in answer.out
    assert "accounted 7 fields: 2 transaction, 2 balance, 3 header" in answer.out


def test_a_column_that_seems_to_matter_is_mapped_or_dismissed(command):
    Path("a.csv").write_text(
        "Date,Description,Amount,Money\n2026-01-05,Tea,-3.20,CHF\n2026-01-06,Tea,-4.20,EUR\n2026-01-07,Tea,-5.20,CHF\n"
    )
    refused = command("files", "inspect", "a.csv")
    assert (refused.code, "column 'money' looks like a currency" in refused.err) == (1, True)
    read = command("files", "inspect", "a.csv", "--column", "Money=currency", "--json")
    assert read.code == 0
    assert command("files", "inspect", "a.csv", "--ignore", "Money").code == 0
