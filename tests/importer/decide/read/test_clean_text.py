"""How texts and ids are cleaned and shortened."""

import json

import pytest

from worker.importer.decide.read.clean_text import MAX_ID, MAX_RAW, clean, id_text, json_text, plain_text

CLEANED = {
    "spaces around": ("  Coffee ", "Coffee"),
    "entities": ("Marks &amp; Spencer", "Marks & Spencer"),
    "control characters": ("A\x00B\tC", "A B C"),
    "two Unicode forms": ("Cafe\u0301", "Caf\u00e9"),
    "half a surrogate pair": ("a\ud83d", "a?"),
}


@pytest.mark.parametrize(("text", "cleaned"), CLEANED.values(), ids=CLEANED)
def test_texts_are_cleaned(text, cleaned):
    assert clean(text) == cleaned


def test_long_ids_are_shortened_and_stay_different():
    one, other = id_text("x" * 300 + "1"), id_text("x" * 300 + "2")
    assert one is not None
    assert len(one) == MAX_ID
    assert one != other
    assert id_text("  ") is None


@pytest.mark.parametrize("record", [{"a": "x\x00y"}, {"a": "\ud83d"}, {"\x00": [b"\xff", {"b": "\x00"}]}])
def test_records_become_json_that_postgres_takes(record):
    text = json_text(record)
    assert text is not None
    assert "\\u0000" not in text
    text.encode()
    assert plain_text(text) == text


def test_a_record_that_is_too_large_becomes_a_note_of_its_size():
    assert json.loads(json_text({"a": "x" * MAX_RAW}) or "")["omitted"] == "larger than the cap"
