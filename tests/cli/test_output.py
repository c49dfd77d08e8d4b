"""Tables on terminals: whole columns or none, and the rest named."""

import os
import shutil

import pytest

from worker.cli import output
from worker.cli.output import print_record, print_rows, say_each

ROWS = [{"id": "3f2c9a1e-0000-4000-8000-000000000001", "bank": "Sparkasse", "message": "x" * 60, "took_s": 3}]
COLUMNS = ("id", "bank", "took_s", "message")


@pytest.fixture
def terminal(monkeypatch):
    def of(width: int) -> None:
        monkeypatch.setattr(output, "on_terminal", lambda: True)
        monkeypatch.setattr(shutil, "get_terminal_size", lambda **_fallback: os.terminal_size((width, 40)))

    return of


@pytest.mark.parametrize(
    ("width", "hidden"), [(40, "bank, took, message"), (45, "bank, message"), (80, "message"), (130, None)]
)
def test_a_terminal_shows_whole_columns_and_names_those_that_do_not_fit(terminal, capsys, width, hidden):
    terminal(width)
    print_rows(ROWS, COLUMNS, as_json=False, empty="")
    printed = capsys.readouterr().out
    assert all(len(line) <= width for line in printed.splitlines())
    shown = " ".join(printed.split())
    assert ROWS[0]["id"] in shown
    assert ("3.0s" in shown) == ("took" not in (hidden or ""))
    assert "…" not in shown
    assert ("not shown at this width" in shown) == (hidden is not None)
    if hidden:
        assert f"not shown at this width: {hidden} (--json shows all)" in shown


def test_wide_and_pipes_show_everything(terminal, capsys):
    print_rows(ROWS, COLUMNS, as_json=False, empty="")
    piped = capsys.readouterr().out
    terminal(40)
    print_rows(ROWS, COLUMNS, as_json=False, empty="", wide=True)
    wide = capsys.readouterr().out
    for shown in (piped, wide):
        assert "x" * 60 in shown
        assert "not shown" not in shown


def test_seconds_are_durations_and_a_number_a_second_is_a_number(capsys):
    print_record({"refresh_interval_s": 7200, "rate_limit_per_s": 60}, as_json=False)
    shown = [line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [(name.strip(), value) for name, value in shown] == [("refresh interval", "2h"), ("rate limit per s", "60")]


def test_a_sentence_is_broken_between_words_on_a_terminal_alone(terminal, capsys):
    name = f"bank_{'x' * 60}_key"
    sentence = f"the database has no constraint {name} on bank_import_runs: CHECK (status = ANY (ARRAY['queued']))"
    say_each([sentence])
    assert capsys.readouterr().out == f"{sentence}\n"
    terminal(80)
    say_each([sentence])
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), max(map(len, lines)) <= 80, name in " ".join(lines)) == (3, True, True)
    assert " ".join(line.strip() for line in lines) == sentence
