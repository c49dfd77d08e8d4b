"""Every write to FinMind's expenses is announced: no module writes them without recording events."""

import re
from pathlib import Path

import worker

ROOT = Path(worker.__file__).parent
WRITES = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) expenses\b|\b(insert_expenses|update_expenses|set_categories)\(")
ANNOUNCES = "outbox.record_expenses("
# The erasure of a person deletes their subscriptions and events as well.
WITHOUT_EVENTS = {"personal_data/erasure.py"}


def test_every_module_that_writes_expenses_tells_events():
    writers = {
        path.relative_to(ROOT).as_posix(): ANNOUNCES in source
        for path in ROOT.rglob("*.py")
        if "migrations" not in path.parts and WRITES.search(source := path.read_text())
    }
    assert "importer/actions/suggestions.py" in writers
    assert {path for path, announces in writers.items() if not announces} == WITHOUT_EVENTS
