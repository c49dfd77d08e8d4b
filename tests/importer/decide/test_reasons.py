"""The page on decisions names every reason and every rule there is, and no others."""

import re
from pathlib import Path

from worker.importer.decide.reasons import Decision, Reason

PAGE = Path(__file__).parents[3] / "docs" / "importer.md"


def test_every_reason_is_on_the_page_and_no_other():
    table = re.findall(r"^\| (\w+) \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert {reason for _, reason in table} == set(Reason)
    assert {decision for decision, _ in table} == set(Decision)


def test_every_module_has_its_row_on_the_page_and_its_test():
    rows = re.findall(r"^\|[^|]+\| `([\w/]+)` \| `([\w/]*test_\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert {test for _, test in rows} <= found(Path(__file__).parent, "test_*.py")
    plain_data = {"decisions", "read/context", "stored_row"}
    modules = found(PAGE.parents[1] / "worker" / "importer" / "decide", "[a-z]*.py")
    assert {module for module, _ in rows} == modules - plain_data


def found(folder, pattern):
    """Return the modules of a folder as the page names them: `room/module`."""
    return {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob(pattern)}


def test_every_test_on_the_page_exists():
    named = re.findall(r"^\|[^|]+\| `(\w+_stories)` \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert len(named) > 20
    for file, name in named:
        assert f"def test_{name}(" in (PAGE.parents[1] / "tests" / "importer" / f"test_{file}.py").read_text(), name
