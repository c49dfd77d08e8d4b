"""The documentation says what is so: its commands exist, its links lead somewhere, its table matches the settings."""

import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from worker.cli.main import run
from worker.cli.settings import markdown

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
FOLDERS = (".github", "docs", "examples")
PAGES = [*sorted(ROOT.glob("*.md")), *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md")))]
# The changelog tells of names that are gone, the examples name files of FinMind's repository.
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md" and ROOT / "examples" not in page.parents]
BLOCK = re.compile(r"^```sh[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(finmind-worker [^`\n]+)`")
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#]*)(?:#([^)]+))?\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+\.py)`")
DOTTED = re.compile(r"`((?:[a-z_0-9]+\.){2,}[A-Za-z_]+)`")
STEP = re.compile(r"^\d\. `([a-z_/]+\.py)`: (.*)$", re.MULTILINE)
SOURCES = ("worker", "tests", "examples", "tools", "benchmarks")
FOLDERS = [folder for folder in (ROOT / "worker").rglob("*") if folder.is_dir()]
ROOMS = {folder.name for folder in FOLDERS if folder.parent.name not in {"decide", "store"}} | {"worker"}
"""The rooms of `decide` and `store` are named with it: `accounts` alone is a word of manifests as well."""

LONGEST_LINE, LONGEST_ROW = 120, 160  # a row of a table cannot be wrapped


def documented_commands():
    found = set()
    for page in PAGES:
        text = page.read_text()
        lines = [line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
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


def anchors(page):
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def broken_links(page):
    for path, anchor in LINK.findall(FENCED.sub("", page.read_text())):
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_page_and_a_heading(page):
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_fit_beside_code(page):
    lines = page.read_text().splitlines()
    limits = [LONGEST_ROW if line.lstrip().startswith("|") else LONGEST_LINE for line in lines]
    assert [line for line, limit in zip(lines, limits, strict=True) if len(line) > limit] == []


@cache
def sources():
    return [path for source in SOURCES for path in (ROOT / source).rglob("*.py")]


def files_called(name):
    """Return the project's files whose path ends with these words."""
    return [path for path in sources() if f"/{path.relative_to(ROOT)}".endswith(f"/{name}")]


def module_files(module):
    folder = module.replace(".", "/")
    return files_called(f"{folder}.py") + files_called(f"{folder}/__init__.py")


def exists(dotted):
    """Return whether words such as `runs.lease.fence` are a module, or a name in one."""
    module, _, name = dotted.rpartition(".")
    return bool(module_files(dotted)) or any(
        re.search(rf"\b{name}\b", file.read_text()) for file in module_files(module)
    )


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_names_of_the_code_exist(page):
    text = page.read_text()
    missing = [name for name in FILE.findall(text) if not files_called(name)]
    dotted = [words for words in DOTTED.findall(text) if words.partition(".")[0] in ROOMS]
    assert missing + [words for words in dotted if not exists(words)] == []


def test_a_step_of_contributing_names_the_file_that_has_the_thing():
    steps = STEP.findall((ROOT / "CONTRIBUTING.md").read_text())
    named = [(file, name) for file, text in steps for name in re.findall(r"`([A-Z]\w+)`", text)]
    assert [step for step in named if not re.search(rf"\b{step[1]}\b", (ROOT / step[0]).read_text())] == []
    assert named


def test_the_api_is_called_as_a_deployment_names_it():
    texts = [page.read_text() for page in [*PAGES, *(ROOT / "examples").rglob("*.py")]]
    hosts = {host for text in texts for host in re.findall(r"https?://([\w.-]+):8400", text)}
    aliases = re.findall(r"aliases: \[([\w-]+)\]", (ROOT / "deploy" / "compose.finmind.yml").read_text())
    assert hosts - {"127.0.0.1"} == set(aliases)


def decisions():
    return sorted(DECISIONS.glob("[0-9]*.md"))


def test_no_number_of_a_decision_is_used_twice():
    numbers = [record.name[:4] for record in decisions()]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("record", decisions(), ids=lambda record: record.stem)
def test_a_decision_has_a_number_a_status_and_a_date_and_is_in_the_index(record):
    title, _, status = record.read_text().splitlines()[:3]
    number = record.name[:4]
    assert title.startswith(f"# {number}. ")
    found = re.fullmatch(r"Status: ((accepted|replaced by \d{4}), \d{4}-\d{2}-\d{2})", status)
    assert found
    index = (DECISIONS / "README.md").read_text()
    assert f"| [{number}]({record.name}) | {found[1]} | {title[8:]} |" in index.splitlines()
