"""The commands of the documentation, run as a reader would: in a shell, beside a real `up`, page after page.

A fenced block says what becomes of it: `sh run` is run line by line, `sh serve` holds programs that go on until they
are stopped, and `sh not-run="…"` says why it cannot be run here. Programs that go on are started; commands of the shell
are processes that begin with everything imported: there are sixty of them.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import forked_commands
from tests.waiting import PATIENCE_S, until
from worker.db.engine import open_engine, open_sessions
from worker.local.child_processes import Program, start_child
from worker.local.redis import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IN_ORDER = (
    "docs/getting-started.md",
    "README.md",
    "docs/files.md",
    "docs/operator.md",
    "docs/operator/upgrade.md",
    "docs/security.md",
    "docs/web-app.md",
    "docs/tutorials/web-app.md",
    "docs/tutorials/operator.md",
    "docs/tutorials/connector-author.md",
)
FENCE = re.compile(r"^```(sh|bash|shell|zsh)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
READY = re.compile(rb"ready\.|beat\.started|Uvicorn running|Connected to redis")
STATEMENT = "Datum;Betrag;Zweck;Zusatz;Name\n02.01.2026;-3,50;Kaffee;;Bar\n03.01.2026;-4,50;Tee;;Bar\nSumme;-8,00;;;\n"
REASONS = {
    "asks for a password",
    "builds .venv first; tests/local runs the demo",
    "builds .venv first; tests/local runs the demo, and make test is what runs this",
    "builds .venv first; the commands below run beside a real up",
    "changes a secret",
    "changes keys",
    "erases a user",
    "needs a Docker engine",
    "needs a Kubernetes cluster",
    "needs a manifest and keys of your own",
    "needs a published release",
    "needs a recorded connection of your own",
    "needs a rejected row",
    "needs a restored database",
    "needs a row of a bank",
    "needs a statement of your own",
    "needs a user with data",
    "needs an incident",
    "needs two connections",
    "restarts services",
    "stops services",
    "there is no way back",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a shell: what becomes of it, and its commands."""

    page: str
    kind: str
    reason: str
    commands: tuple[str, ...]


def blocks(page: Path) -> Iterator[Block]:
    for _shell, said, body in FENCE.findall(page.read_text()):
        kind, _, reason = said.strip().partition("=")
        lines = body.replace("\\\n", " ").splitlines()
        commands = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
        yield Block(page=str(page.relative_to(ROOT)), kind=kind, reason=reason.strip('"'), commands=commands)


BLOCKS = [block for page in PAGES for block in blocks(page)]


class Reader:
    """Somebody in a shell beside a running `up`, who fills in what the page leaves open."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.api_port, self.flower_port, self.second_port = free_port(), free_port(), free_port()
        binaries = home / "bin"
        binaries.mkdir()
        for name, module in (("finmind-worker", "worker"), ("celery", "celery")):
            (binaries / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
            (binaries / name).chmod(0o755)
        kept = {name: os.environ[name] for name in ("PYTHONPATH", "LANG", "LC_ALL") if name in os.environ}
        self.environment = {
            **kept,
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "HOME": str(home),
            "API_PORT": str(self.api_port),
            "FLOWER_PORT": str(self.flower_port),
            "FINMIND_HEALTH_DIR": str(home / "health"),
            "PYTHONWARNINGS": "ignore",
        }
        self.up = self.start("finmind-worker up --no-flower", "up")
        until(lambda: b"everything is up" in self.log("up"))
        addresses = dict(line.split("=", 1) for line in (home / ".finmind" / "env").read_text().splitlines())
        self.engine = open_engine(addresses["DATABASE_URL"], role="test")
        self.sessions = open_sessions(self.engine)
        door, quick = home / "door", home / "quick"
        self.commands = self.start(f'"{sys.executable}" "{forked_commands.__file__}" "{door}"', "commands")
        until(lambda: door.exists() or self.commands.poll() is not None)
        assert self.commands.poll() is None, self.log("commands")
        quick.mkdir()
        forked_commands.write_program(quick / "finmind-worker", door)
        self.shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=home, text=True,
            env=self.environment | {"PATH": f"{quick}:{self.environment['PATH']}"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def start(self, command: str, name: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.log").open("wb") as log:
            program = Program(
                command=["bash", "-c", f"exec {command}"], directory=self.home, environment=self.environment
            )
            return start_child(program, output=log)

    def log(self, name: str) -> bytes:
        return (self.home / f"{name}.log").read_bytes()

    def type(self, command: str) -> tuple[int, str]:
        """Type one command, wait for the prompt; return the exit code and what was printed."""
        assert self.shell.stdin
        assert self.shell.stdout
        self.shell.stdin.write(f'{{ {command}\n}} </dev/null; echo; echo "prompt $?"\n')
        self.shell.stdin.flush()
        printed: list[str] = []
        impatient = threading.Timer(PATIENCE_S, self.shell.kill)
        impatient.start()
        try:
            while not (found := re.fullmatch(r"prompt (\d+)\n", line := self.shell.stdout.readline())):
                assert line, f"{command} did not end in {PATIENCE_S} s:\n{''.join(printed)}"
                printed.append(line)
        finally:
            impatient.cancel()
        return int(found[1]), "".join(printed)

    def one(self, query: str, **values: object) -> str:
        with self.sessions() as session:
            return str(session.execute(text(query), values).scalar_one())

    def close(self) -> None:
        assert self.shell.stdin
        self.shell.stdin.close()
        self.shell.wait(PATIENCE_S)
        assert self.shell.stdout
        self.shell.stdout.close()
        self.engine.dispose()
        stop(self.commands)
        stop(self.up)


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    home = Path(tempfile.mkdtemp(prefix="finmind-reader-"))
    home.chmod(0o711)
    opened = Reader(home)
    yield opened
    opened.close()
    shutil.rmtree(home, ignore_errors=True)


def outputs_that_did_not_come(page: str, printed: str) -> list[str]:
    """Return the lines of output that a tutorial shows and no command printed; `…` stands for anything."""
    if not page.startswith("docs/tutorials/"):
        return []
    shown = [line for block in SHOWN.findall((ROOT / page).read_text()) for line in block.splitlines()]
    assert shown, f"{page} shows no output"
    plain = "\n".join(" ".join(line.split()) for line in printed.splitlines())
    return [line for line in shown if not re.search(".*".join(map(re.escape, line.split("…"))), plain)]


def id_in(printed: str) -> str:
    """Return the id that a command printed last, below whatever it warned of."""
    return re.findall(r"^[0-9a-f-]{36}$", printed, re.MULTILINE)[-1]


def run_with(reader: Reader, status: str) -> str:
    """Return a run in this state: what a reader would have looked up."""
    return reader.one(
        "SELECT id FROM bank_import_runs WHERE status = :status AND NOT dry_run AND kind IN ('import', 'refresh')"
        " ORDER BY queued_at DESC LIMIT 1",
        status=status,
    )


def fill_in(reader: Reader, command: str, connection_id: str) -> str:
    """Put what this reader has in the places of CONNECTION, RUN and KEY, and this machine's ports and folders."""
    filled = command.replace("CONNECTION", connection_id)
    if "RUN" in filled:
        wanted = {"retry": "failed", "cancel": "deferred"}.get(filled.split()[2], "succeeded")
        filled = filled.replace("RUN", run_with(reader, wanted))
    if "KEY" in filled:
        keys = (reader.home / ".finmind" / "credential.keys").read_text().split()
        filled = filled.replace("KEY", keys[-1].partition(":")[0])
    return filled.replace("8400", str(reader.api_port)).replace("/srv/statements/ada", str(reader.home / "drop"))


def prepare(reader: Reader, page: str) -> None:
    """Do what the prose of a page asks for before its commands."""
    told = (ROOT / page).read_text()
    match page:
        case "docs/getting-started.md":
            access = {"access_url": "http://ada:secret@127.0.0.1:9/simplefin"}
            (reader.home / "simplefin.json").write_text(json.dumps(access))
        case "docs/files.md":
            reader.one("INSERT INTO users (id, email, password_hash) VALUES (7, 'eve@example.test', 'x') RETURNING id")
            (reader.home / "statement.csv").write_text(STATEMENT)
            (profile,) = re.findall(r"^```toml\n(# my-bank\.toml.*?)^```$", told, re.MULTILINE | re.DOTALL)
            (reader.home / "my-bank.toml").write_text(profile)
            (reader.home / "drop").mkdir()
        case "docs/operator.md":
            (reader.home / "new.json").write_text("{}")
            make_trouble(reader, "failed", {"mode": "error"})
            make_trouble(reader, "deferred", {"mode": "rate_limited", "limit_scope": "quota", "retry_after_s": 3600})
        case "docs/security.md":
            key_file = reader.home / ".finmind" / "credential.keys"
            _, printed = reader.type("finmind-worker keys generate")
            key_file.write_text(f"{printed.strip()}\n{key_file.read_text()}")


def make_trouble(reader: Reader, status: str, config: dict[str, object]) -> None:
    """Have a run that ends like this, for the commands about runs that did not go well."""
    add = "finmind-worker connections add --user 1 --connector mock --config"
    code, printed = reader.type(f"{add} '{json.dumps(config)}'")
    assert code == 0, printed
    _, told = reader.type(f"finmind-worker import {id_in(printed)} --wait --timeout 30")
    assert run_with(reader, status), told


MAY_END_WITH = {"runs retry": {0, 1}, "runs revert": {0, 3}, "runs replay-rejections": {0, 1}}
"""Commands whose exit code tells what became of the run, not whether the command exists: the error bank fails again."""


def test_every_block_is_run_or_says_why_not():
    assert {block.kind for block in BLOCKS} == {"run", "serve", "not-run"}
    assert {block.reason for block in BLOCKS if block.kind == "not-run"} == REASONS
    assert {block.page for block in BLOCKS if block.kind != "not-run"} == set(IN_ORDER)
    assert all(block.commands for block in BLOCKS)


def test_the_sample_page_has_every_word_that_a_persons_tutorial_tells_to_look_for():
    page = ROOT / "examples" / "finmind" / "page"
    words = re.findall(r"\*\*(.+?)\*\*", (ROOT / "docs" / "tutorials" / "person.md").read_text())
    there = (page / "page.js").read_text() + (page / "index.html").read_text()
    assert words
    assert [word for word in words if f'"{word}"' not in there and not re.search(rf">{word} *<", there)] == []


@pytest.mark.long
@pytest.mark.processes
def test_the_commands_of_every_page_do_what_they_say(reader):
    connection_id = ""
    for page in IN_ORDER:
        prepare(reader, page)
        told: list[str] = []
        for block in [block for block in BLOCKS if block.page == page and block.kind == "run"]:
            for command in block.commands:
                filled = fill_in(reader, command, connection_id)
                code, printed = reader.type(filled)
                told.append(printed)
                allowed = MAY_END_WITH.get(" ".join(command.split()[1:3]), {0})
                assert code in allowed, f"{page}: {filled}\n{printed}"
                if "--connector mock" in command:
                    connection_id = id_in(printed)
                if command.startswith("curl"):
                    assert "connector_name" in printed or "config_schema" in printed, printed
        assert outputs_that_did_not_come(page, "".join(told)) == [], page


@pytest.mark.processes
def test_the_programs_that_go_on_start_and_stop(reader):
    programs = [command for block in BLOCKS if block.kind == "serve" for command in block.commands]
    assert len(programs) == 7
    started = []
    reader.type("set -a; . .finmind/env; set +a")
    for number, command in enumerate(programs):
        spelled = command.replace("8400", str(reader.second_port))
        started.append((reader.start(f"env $(cat .finmind/env) {spelled}", f"program-{number}"), number, command))
    for process, number, command in started:
        until(lambda number=number: READY.search(reader.log(f"program-{number}")))
        assert process.poll() is None, command
    for process, _number, command in started:
        assert stop(process) in {0, -signal.SIGTERM}, command  # uvicorn passes the signal on when it has ended
