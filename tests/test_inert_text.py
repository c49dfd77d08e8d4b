"""What a person or a bank wrote is shown at every exit and obeyed at none."""

import json
import subprocess
import sys

import pytest

from tests.factories import make_connection
from worker.importer.decide.expenses.from_line import notes_text
from worker.inert_text import composed, inert, inert_json, inert_lines, inert_value, is_blank

TITLE = "\x1b]0;owned\x07"
CLEAR = "\x1b[2J\x1b[H"
C1 = "\x9b31m"
OVERRIDE = "\u202egnp.exe"
HOSTILE = f"Shop{TITLE}{CLEAR}{C1}{OVERRIDE}\r\nerror: all is lost"
DANGEROUS = ("\x1b", "\x07", "\x9b", "\u202e", "\r")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Café Zürich 12 €", "Café Zürich 12 €"),
        ("two\nlines", "two lines"),
        ("\x1b[31mred", " [31mred"),
        ("a\u202eb", "ab"),
        ("zero\u200bwidth", "zerowidth"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("line\u2028separator", "line separator"),
        ("half \ud800 pair", "half   pair"),
    ],
)
def test_one_line_without_what_acts(text, shown):
    assert inert(text) == shown


def test_lines_of_ours_stay_lines():
    assert inert_lines("first\nsecond\x1b[0m") == "first\nsecond [0m"


def test_json_keeps_its_data_and_acts_on_nothing():
    shown = inert_json(json.dumps({"name": HOSTILE}, ensure_ascii=False))
    assert not any(character in shown for character in DANGEROUS)
    assert json.loads(shown) == {"name": HOSTILE}


def test_values_are_inert_in_every_depth():
    assert inert_value({"a\x1b": ["b\x1b", {"c": ("d\x1b", 1)}]}) == {"a ": ["b ", {"c": ["d ", 1]}]}


def test_notes_of_expenses_are_inert():
    assert not any(character in (notes_text(HOSTILE, "x") or "") for character in DANGEROUS)


@pytest.fixture
def hostile_connection_id(sessions, user_id):
    with sessions() as session:
        return make_connection(session, user_id, display_name=HOSTILE)


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("show", "ID"), ("show", "ID", "--json")])
def test_the_command_line_shows_names_inert(
    monkeypatch, capsys, database_url, redis_url, hostile_connection_id, arguments
):
    from worker.cli import environment
    from worker.cli.main import run

    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    environment.settings.cache_clear()
    given = [str(hostile_connection_id) if argument == "ID" else argument for argument in arguments]
    assert run(["connections", *given]) == 0
    environment.settings.cache_clear()
    shown = capsys.readouterr().out
    assert "Shop" in shown
    assert not any(character in shown for character in DANGEROUS)


def test_a_log_line_is_one_line_and_obeys_nothing():
    program = (
        "import sys; from worker.telemetry.logs import get_logger, setup_logging; setup_logging(json=False);"
        " get_logger('tests').warning('bank.named', name=sys.argv[1])"
    )
    command = [sys.executable, "-c", program, HOSTILE]
    line = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stderr
    assert "Shop" in line
    assert not any(character in line for character in DANGEROUS)
    assert line.count("\n") == 1


def test_a_letter_keeps_at_most_thirty_marks_so_that_composing_stays_linear():
    assert composed("e\u0301") == "é"
    marked = "a" + "\u0301\u0323" * 30_000
    assert composed(f"{marked}b") == composed("a" + "\u0301\u0323" * 15) + "b"


@pytest.mark.parametrize("text", ["\u3164", "\u115f\u2800", "\u200d", "\u034f \u17b4", "\u202e", " "])
def test_a_text_of_which_nothing_shows_is_blank(text):
    assert is_blank(text)


def test_letters_that_show_nothing_do_not_make_two_names_of_one():
    assert inert("Pay\u3164Pal\u034f") == "PayPal"
    assert not is_blank("é")
