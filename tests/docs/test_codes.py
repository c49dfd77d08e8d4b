"""Every code that a run can end with has its cure in docs/why-not-synced.md."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "why-not-synced.md").read_text()
ROOMS = ("errors.py", "connectors", "importer", "recovery", "runs", "tasks")
OF_REQUESTS = {
    "configuration", "conflict", "invalid_request", "not_found", "too_many_connections", "too_many_runs",
}  # fmt: skip
OF_PARTS = {
    "": "SimpleFIN's errors without a code",
    "SESSION_FINISHED": "a webhook of Plaid",
    "bad_row": "of a rejection",
    "account_not_listed": "of a rejection",
    "id_repeated": "of a rejection",
    "unknown_rows": "caught by the importer, which finds the account of the rows",
    "row_doubled": "of a proof's explanation",
    "row_removed": "of a proof's explanation",
    "sign_of_one_row": "of a proof's explanation",
    "signs_of_all_rows": "of a proof's explanation",
}


def _codes(tree: ast.AST) -> set[str]:
    """Return the constants that are given as `code`, as an argument, an attribute or a class's own."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "code":
            found.append(node.value)
        elif isinstance(node, ast.Assign):
            names = [one.id if isinstance(one, ast.Name) else getattr(one, "attr", "") for one in node.targets]
            found += [node.value] * ("code" in names)
    return {node.value for node in found if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_code_has_a_cure():
    files = [
        file
        for room in ROOMS
        for path in [ROOT / "worker" / room]
        for file in ([path] if path.is_file() else path.rglob("*.py"))
    ]
    known = set().union(*(_codes(ast.parse(file.read_text())) for file in files))
    assert {"needs_user", "poison", "cancelled", "provider_down"} <= known, "codes are found no longer"
    described = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) | {"ok", "nothing_new"}
    assert known - described - OF_REQUESTS - OF_PARTS.keys() == set()
