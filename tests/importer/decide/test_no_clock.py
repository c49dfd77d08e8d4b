"""Decisions take the day and the moment as arguments; none reads a clock."""

import ast
from pathlib import Path

import pytest

from worker.importer import decide

MODULES = sorted(Path(decide.__file__).parent.rglob("*.py"))
CLOCKS = {"now", "today", "utcnow", "time_ns", "monotonic", "perf_counter"}
MODULES_OF_CLOCKS = {"time"}


def clock_readings(source: str) -> list[str]:
    tree = ast.walk(ast.parse(source))
    found = []
    for node in tree:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found += [name] if name in CLOCKS else []
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in MODULES_OF_CLOCKS]
        elif isinstance(node, ast.ImportFrom):
            found += [alias.name for alias in node.names if node.module in MODULES_OF_CLOCKS]
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: "-".join(path.parts[-2:]))
def test_no_decision_reads_a_clock(module):
    assert clock_readings(module.read_text()) == []


@pytest.mark.parametrize(
    "source", ["date.today()", "datetime.now(UTC)", "import time", "import time as t", "from time import time"]
)
def test_the_check_sees_a_clock(source):
    assert clock_readings(source) != []
