"""Reads spreadsheets through `sheet_program`, which has memory and time of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.files import Member, open_member

_PROGRAM = Path(__file__).with_name("sheet_program.py")
# A text, or a number as a list of its one text.
SheetCell: TypeAlias = str | list[str]
_TOO_LARGE = "the spreadsheet asks for more memory or time than a statement needs"


def sheets_of(member: Member) -> list[tuple[str, int]]:
    """Return the name of each sheet with the number of its hidden rows.

    Raises: StatementError when the spreadsheet is damaged, locked or too large.
    """
    with _answers(member) as lines:
        return [(str(name), int(hidden)) for name, hidden in _next(lines)]


def sheet_rows(member: Member, sheet: str) -> Iterator[tuple[int, list[SheetCell]]]:
    """Yield the number and the cells of every row. Raises: StatementError, as `sheets_of`."""
    with _answers(member, sheet) as lines:
        number = int(_next(lines))
        for row in lines:
            yield number, row
            number += 1


def _next(lines: Iterator[Any]) -> Any:  # noqa: ANN401 - what JSON holds
    answer = next(lines, None)
    if answer is None:
        raise StatementError(_TOO_LARGE)
    return answer


@contextmanager
def _answers(member: Member, *arguments: str) -> Iterator[Iterator[Any]]:
    """Start the program over a file and give its lines; it is ended with the block."""
    # Its environment holds nothing of ours; the path is where this process finds its packages.
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with (
        _bytes_of(member) as content,
        subprocess.Popen(  # noqa: S603 - our own program; the name of the sheet is an argument
            [sys.executable, "-P", "-s", str(_PROGRAM), *arguments],
            stdin=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as program,
    ):
        assert program.stdout
        try:
            yield _lines(program, program.stdout)
        finally:
            program.kill()


def _lines(program: subprocess.Popen[bytes], output: IO[bytes]) -> Iterator[Any]:
    for line in output:
        answer = json.loads(line)
        if isinstance(answer, dict):
            raise StatementError(answer["refused"], line=answer["line"])
        yield answer
    if program.wait() != 0:
        raise StatementError(_TOO_LARGE)


@contextmanager
def _bytes_of(member: Member) -> Iterator[IO[bytes]]:
    """Open a file of a path as it is; unpack an entry of an archive to a temporary file."""
    if member.data is None and member.entry is None:
        try:
            opened = member.path.open("rb")
        except OSError as error:
            raise StatementError(f"cannot be read ({type(error).__name__})") from None
        with opened:
            yield opened
        return
    with tempfile.TemporaryFile(prefix="finmind-sheet-") as target, open_member(member) as stream:
        shutil.copyfileobj(stream, target)
        target.seek(0)
        yield target
