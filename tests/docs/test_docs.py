"""The documentation says what is so: its commands exist, its links lead somewhere, its table matches the settings."""

import re
import shlex
from pathlib import Path

import pytest

from worker.cli.main import run
from worker.cli.settings import markdown

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```sh[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(finmind-worker [^`\n]+)`")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def documented_commands():
    found = set()
    for page in PAGES:
        text = page.read_text()
        lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
        found |= {line.partition("#")[0].strip() for line in lines if line.startswith("finmind-worker ")}
        found |= set(INLINE.findall(text))
    return sorted(command for command in found if "…" not in command)


def test_the_readme_lists_every_setting_as_the_settings_class_has_it():
    readme = (ROOT / "README.md").read_text()
    assert markdown() in readme, "run: finmind-worker settings --readme README.md"


@pytest.mark.parametrize("command", documented_commands())
def test_documented_commands_and_their_flags_exist(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    words = shlex.split(command)[1:]
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    plain = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
    for depth in (2, 1):
        assert run([*plain[:depth], "--help"]) == 0
        text = capsys.readouterr().out
        if "Usage" in text and f"finmind-worker {' '.join(plain[:depth])} " in text:
            break
    missing = [flag for flag in flags if flag not in text]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not broken
