"""No clock but Postgres's decides about a run: a host whose clock is wrong, or jumps, changes nothing."""

import ast
from pathlib import Path

import pytest

import worker.runs

CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime"}
OF_THE_HOST = {"datetime", "date", "time"}
MODULES = sorted(Path(worker.runs.__file__).parent.glob("*.py"))


def readings_of_the_hosts_clock(source: str) -> list[str]:
    """Return every `datetime.now`, `date.today`, `time.time` … in a module, also under another name."""
    tree = ast.parse(source)
    imported = {
        f"from {node.module} import {alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
    }
    read = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS and ast.unparse(node.value) in OF_THE_HOST
    }
    return sorted(imported | read)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_about_runs_never_reads_the_clock_of_its_host(module):
    assert readings_of_the_hosts_clock(module.read_text(encoding="utf-8")) == []


def test_a_reading_would_be_found():
    source = "import time\nfrom datetime import datetime\nfrom time import time_ns\nx = datetime.now(), time.time()"
    assert readings_of_the_hosts_clock(source) == ["datetime.now", "from time import time_ns", "time.time"]
