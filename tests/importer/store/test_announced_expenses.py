"""Every write to FinMind's expenses is announced: no module writes them without recording events."""

import re
from pathlib import Path

import worker

ROOT = Path(worker.__file__).parent
FUNCTIONS = "insert_expenses|insert_whole|update_expenses|set_categories"
WRITES = re.compile(rf"(INSERT INTO|UPDATE|DELETE FROM) expenses\b|\b({FUNCTIONS})\(")
ANNOUNCES = "outbox.record_expenses("
# The erasure of a person deletes their subscriptions and events as well; who calls `insert_whole` records the events.
WITHOUT_EVENTS = {"personal_data/erasure.py", "importer/store/expenses/whole.py"}


def test_every_module_that_writes_expenses_tells_events():
    writers = {
        path.relative_to(ROOT).as_posix(): ANNOUNCES in source
        for path in ROOT.rglob("*.py")
        if "migrations" not in path.parts and WRITES.search(source := path.read_text())
    }
    assert "importer/actions/suggestions.py" in writers
    assert {path for path, announces in writers.items() if not announces} == WITHOUT_EVENTS
