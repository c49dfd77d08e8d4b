"""The page on decisions names every reason the code gives."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
REASONS = re.compile(
    r'(?:reason=|, )"((?:new|zero|pending|same|likely|posted|rewritten|corrected|amended|renumbered|returned|removed|'
    r'absent|run|similar|equal|called|names|leg|categorised)[a-z_]*)"'
)


def test_every_reason_in_the_code_is_on_the_page():
    page = (ROOT / "docs" / "importer.md").read_text()
    code = "".join(module.read_text() for module in sorted((ROOT / "worker" / "importer").rglob("*.py")))
    found = set(REASONS.findall(code)) - {"removed", "posted", "name", "run_id"}
    assert len(found) > 12
    assert {reason for reason in found if f"`{reason}`" not in page} == set()
