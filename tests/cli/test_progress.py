"""Long commands show a person how far they are, on one line of 80 columns, and say nothing to a pipe."""

import os
import pty
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_S
from worker.cli.progress import progress
from worker.credentials import generate_key

ROWS = "".join(f"2026-01-{1 + n % 28:02},Shop {n},-{n % 90}.10,EUR\n" for n in range(20_000))
LONG = f"{'long-' * 20}name.csv"
HOSTILE = "[red]\x1b]0;owned\x07\u202e.csv"


@pytest.fixture
def environment(tmp_path: Path, database_url: str, redis_url: str) -> dict[str, str]:
    for name in (LONG, HOSTILE):
        (tmp_path / name).write_text("Date,Description,Amount,Currency\n" + ROWS)
    return {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm", "CREDENTIAL_KEYS": generate_key(),
        "DATABASE_URL": database_url, "REDIS_URL": redis_url,
    }  # fmt: skip


COMMANDS = {
    "files inspect": (("files", "inspect", LONG), "reading"),
    "a name that acts": (("files", "inspect", HOSTILE), "reading"),
    "db upgrade": (("db", "upgrade"), "upgrading"),
    "db check": (("db", "check"), "comparing"),
    "keys verify": (("keys", "verify"), "verifying"),
}


@pytest.mark.parametrize(("arguments", "says"), COMMANDS.values(), ids=COMMANDS)
@pytest.mark.processes
def test_a_long_command_shows_one_narrow_line_to_a_person_and_nothing_to_a_pipe(arguments, says, environment, tmp_path):
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "worker", *arguments]
    watched = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # the other side is closed
    os.close(ours)
    watched.wait(PATIENCE_S)
    assert says in shown.decode()
    assert HOSTILE not in arguments or "[red]" in shown.decode()
    assert b"\x1b]0" not in shown
    assert "\u202e" not in shown.decode()
    assert shown.count(b"\n") <= 1  # one line, drawn again and again, and removed at the end
    piped = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert says not in piped.stderr


def test_what_is_counted_is_silent_where_nobody_watches(capsys):
    with progress("reading", 3, unit="rows") as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")
