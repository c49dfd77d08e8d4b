"""The importer and the runs speak in the words of the glossary: one for each thing."""

import re
from pathlib import Path

import pytest

WORKER = Path(__file__).resolve().parents[2] / "worker"
MODULES = {
    str(one.relative_to(WORKER)): one.read_text()
    for room in ("importer", "runs")
    for one in (WORKER / room).rglob("*.py")
}
DISMISSED = {"judgement", "outcome", "rejections", "run_messages"}
"""What rejected rows are left out by is a person: a user or an operator."""

GIVEN_UP = {
    "moot": ("obsolete", set()),
    "unsettled": ("doubtful", set()),
    "retold": ("restated", set()),
    "delivery.session": ("provider_session", set()),
    "person": ("user", DISMISSED),
}


@pytest.mark.parametrize(("word", "instead", "but"), [(word, *rest) for word, rest in GIVEN_UP.items()], ids=GIVEN_UP)
def test_a_word_that_was_given_up_for_another_stays_so(word, instead, but):
    used = re.compile(rf"\b{re.escape(word)}", re.IGNORECASE)
    modules = [name for name in MODULES if word != "person" or name.startswith("importer/")]
    found = [name for name in modules if used.search(MODULES[name]) and Path(name).stem not in but]
    assert found == [], f"say {instead}"
