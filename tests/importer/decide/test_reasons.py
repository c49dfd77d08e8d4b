"""The page on decisions names every reason there is, and no others."""

import re
from pathlib import Path

from worker.importer.decide.reasons import Decision, Reason

PAGE = Path(__file__).parents[3] / "docs" / "importer.md"


def test_every_reason_is_on_the_page_and_no_other():
    table = re.findall(r"^\| (\w+) \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert {reason for _, reason in table} == set(Reason)
    assert {decision for decision, _ in table} == set(Decision)
