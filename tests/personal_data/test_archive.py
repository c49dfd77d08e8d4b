"""An archive has everything about one person and nothing about others, can be checked, and does nothing when opened."""

import csv
import hashlib
import io
import json
import tracemalloc
import zipfile
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from worker.errors import NotFoundError
from worker.personal_data.archive import archive, cell
from worker.personal_data.personal_tables import TABLES


@pytest.fixture
def read(sessions, opened):
    """Write the archive of a user and open it."""

    def made(user_id):
        parts = archive(sessions, user_id, statement_folder=opened.settings.statement_folder)
        return zipfile.ZipFile(io.BytesIO(b"".join(parts)))

    return made


def lines(found, name):
    return [json.loads(line) for line in found.read(f"{name}.jsonl").decode().splitlines()]


def rows(found, name):
    return list(csv.DictReader(io.StringIO(found.read(f"{name}.csv").decode(), newline="")))


def test_the_manifest_counts_and_sums_every_member(read, person):
    found = read(person)
    manifest = json.loads(found.read("manifest.json"))
    assert found.testzip() is None
    assert set(manifest["sha256"]) == set(found.namelist()) - {"manifest.json"}
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256(found.read(name)).hexdigest() == digest
    assert set(manifest["datasets"]) == {table.name for table in TABLES} | {"statement_files"}
    for name, dataset in manifest["datasets"].items():
        assert len(lines(found, name)) == len(rows(found, name)) == dataset["rows"]
    assert manifest["datasets"]["bank_transactions"]["rows"] > 20
    assert manifest["datasets"]["credential_audit"]["rows"] > 0


def test_it_is_about_one_person_and_has_no_secret(read, person, other_id):
    found = read(person)
    everything = b"".join(found.read(name) for name in found.namelist())
    assert f"hooks-of-{person}".encode() in everything
    for foreign in (f"hooks-of-{other_id}", "eve@example.test", "SEALED!", b"SEALED!".hex()):
        assert foreign.encode() not in everything
    for row in lines(found, "bank_connections"):
        assert not {"config_encrypted", "config_key_id"} & row.keys()
    assert {row["user_id"] for row in lines(found, "bank_transactions")} == {person}


def test_what_a_bank_wrote_is_exact_in_json_and_inert_in_a_spreadsheet(read, person, sessions):
    hostile = '=HYPERLINK("http://evil.test","x")\u202e\x1b[2J\r\n+1'
    with sessions() as session:
        session.execute(text("UPDATE bank_transactions SET description = :text"), {"text": hostile})
        session.execute(text("UPDATE bank_connections SET display_name = '@SUM(A1)'"))
    found = read(person)
    assert {row["description"] for row in lines(found, "bank_transactions")} == {hostile}
    assert "\u202e" not in found.read("bank_transactions.jsonl").decode()
    (shown,) = {row["description"] for row in rows(found, "bank_transactions")}
    assert shown == '\'=HYPERLINK("http://evil.test","x") [2J  +1'
    assert {row["display_name"] for row in rows(found, "bank_connections")} == {"'@SUM(A1)"}
    assert [row["path"] for row in rows(found, "statement_files")] == ["files/=cmd()-statement.csv"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (-5, "-5"),
        (Decimal("-12.50"), "-12.50"),
        (Decimal("1E-7"), "0.0000001"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(hours=1), "3600.0"),
        ("-12", "'-12"),
        (" =1+1", "' =1+1"),
        ("\t=1", "' =1"),
        ("\uff1d1", "'\uff1d1"),
        ("plain", "plain"),
        ("a;=1+1", "a;'=1+1"),
        ('a; "@SUM(1)', "a;' \"@SUM(1)"),
        ("a,+1", "a,+1"),
        ("12,50; 3-4", "12,50; 3-4"),
        ({"a": "b;=1", "c": [-1, -2]}, '{"a": "b;\'=1", "c": [-1, -2]}'),
        ({"a": "=1"}, '{"a": "=1"}'),
        ([], "[]"),
    ],
)
def test_a_cell(value, shown):
    assert cell(value) == shown


def test_nobody_is_not_exported(sessions):
    with pytest.raises(NotFoundError):
        next(archive(sessions, 999))


def test_memory_does_not_grow_with_the_rows(sessions, person):
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_transactions (account_id, user_id, identity, content_key, fingerprint, state,"
                " effective_on, amount, currency, description, raw, expense_state, first_decision, first_reason)"
                " SELECT account_id, user_id, decode(md5(n::text), 'hex'), '', '', 'posted', now(), 1, 'EUR',"
                " repeat(md5(n::text), 20), jsonb_build_object('text', repeat(md5(n::text), 30)), 'none', 'created',"
                " 'new'"
                " FROM (SELECT account_id, user_id FROM bank_transactions WHERE user_id = :id LIMIT 1) one,"
                " generate_series(1, 20000) n"
            ),
            {"id": person},
        )
    tracemalloc.start()
    size = sum(len(part) for part in archive(sessions, person))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 1_000_000
    assert peak < 12_000_000, f"{peak:,} bytes for rows of 40 MB"


def test_it_is_one_moment_whatever_is_written_meanwhile(sessions, person):
    parts = archive(sessions, person)
    written = [next(parts)]
    with sessions() as session:
        before = session.scalar(text("SELECT count(*) FROM bank_transactions WHERE user_id = :id"), {"id": person})
        session.execute(text("DELETE FROM users WHERE id = :id"), {"id": person})
    written += parts
    found = zipfile.ZipFile(io.BytesIO(b"".join(written)))
    assert len(lines(found, "bank_transactions")) == len(rows(found, "bank_transactions")) == before
