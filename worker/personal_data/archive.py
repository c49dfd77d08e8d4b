"""Writes a ZIP archive of everything about one user, from one snapshot and in bounded memory.

Each table is there twice: `NAME.jsonl` has one JSON object per line, exactly as stored; `NAME.csv` is for spreadsheets,
with formulas and control characters made inert. `manifest.json`, the last member, has the number of rows and the
SHA-256 of every other member. docs/privacy.md describes the format.
"""

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.connections.statement_folders import folder_of_user
from worker.db.engine import Sessions
from worker.errors import NotFoundError
from worker.inert_text import inert, inert_json
from worker.personal_data.personal_tables import TABLES, PersonalTable, whose

FORMAT = "finmind-worker-export/1"
_ROWS = 500
_FORMULA_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_FORMULA = re.compile(rf"^(?=\s*[{_FORMULA_SIGNS}])")
_FORMULA_BEHIND = re.compile(rf"(?<=;)(?=[\s\"]*[{_FORMULA_SIGNS}])")
"""A semicolon begins a cell, also within quotes, where a spreadsheet expects it as separator: in most of Europe."""

_README = """This archive holds what FinMind's bank worker keeps about one person.

NAME.jsonl   one JSON object per line; amounts are decimal texts, moments are in UTC
NAME.csv     the same for spreadsheets: text that would be a formula begins with an apostrophe
manifest.json   the number of rows of each, the SHA-256 of every file, and what is left out

"""


@dataclass(slots=True)
class _Pipe:
    """A file that can only be written; what was written is taken out in between."""

    _parts: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: what was written is here already."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def archive(sessions: Sessions, user_id: int, *, statement_folder: Path | None = None) -> Iterator[bytes]:
    """Yield the bytes of the archive. It is complete only when the iterator ends.

    Args:
        sessions: The database.
        user_id: The person.
        statement_folder: Where statement files are kept; the archive lists the person's.

    Raises:
        NotFoundError: There is no such user.
    """
    with sessions() as session:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        if session.scalar(text("SELECT id FROM users WHERE id = :user_id"), {"user_id": user_id}) is None:
            raise NotFoundError(f"no user {user_id}")
        pipe = _Pipe()
        with zipfile.ZipFile(cast("IO[bytes]", pipe), "w", zipfile.ZIP_DEFLATED) as target:
            writer = _Writer(session=session, user_id=user_id, target=target, pipe=pipe)
            yield from writer.readme()
            for table in TABLES:
                yield from writer.table(table)
            yield from writer.rows("statement_files", "uploaded statement files", _files(statement_folder, user_id))
            yield from writer.manifest()
        yield pipe.take()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """Writes member after member and notes what the manifest says about them."""

    session: Session
    user_id: int
    target: zipfile.ZipFile
    pipe: _Pipe
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def readme(self) -> Iterator[bytes]:
        lines = "".join(f"{table.name}: {table.says}\n" for table in TABLES)
        yield from self._member("README.txt", iter([f"{_README}{lines}statement_files: uploaded statement files\n"]))

    def table(self, table: PersonalTable) -> Iterator[bytes]:
        found = columns_of(self.session, table)
        if found.left_out:
            self.left_out[table.name] = sorted(found.left_out)
        named, key = (", ".join(f'"{name}"' for name in names) for names in (found.exported, found.key))
        statement = f'SELECT {named} FROM "{table.name}" WHERE {whose(table.name)} ORDER BY {key}'  # noqa: S608 - names of the catalog

        def read() -> Iterator[Mapping[str, Any]]:
            how = {"stream_results": True, "yield_per": _ROWS}
            rows = self.session.execute(text(statement), {"user_id": self.user_id}, execution_options=how)
            yield from map(dict, rows.mappings())

        yield from self._twice(table.name, table.says, found.exported, read)

    def rows(self, name: str, says: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
        columns = ("path", "bytes", "sha256", "modified_at")
        yield from self._twice(name, says, columns, lambda: iter(rows))

    def manifest(self) -> Iterator[bytes]:
        content = {
            "format": FORMAT,
            "user_id": self.user_id,
            "made_at": datetime.now(UTC).isoformat(),
            "datasets": dict(self.datasets),
            "sha256": dict(self.checksums),
            "left_out": dict(self.left_out),
        }
        yield from self._member("manifest.json", iter([json.dumps(content, indent=2) + "\n"]))

    def _twice(
        self, name: str, says: str, columns: Sequence[str], read: Callable[[], Iterator[Mapping[str, Any]]]
    ) -> Iterator[bytes]:
        yield from self._member(f"{name}.jsonl", (_json_line(row) for row in self._counted(name, says, read())))
        yield from self._member(f"{name}.csv", _csv_lines(columns, read()))

    def _counted(self, name: str, says: str, rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        self.datasets[name] = {"rows": 0, "says": says}
        for row in rows:
            self.datasets[name]["rows"] += 1
            yield row

    def _member(self, name: str, lines: Iterator[str]) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with self.target.open(name, "w", force_zip64=True) as member:
            for line in lines:
                encoded = line.encode()
                digest.update(encoded)
                member.write(encoded)
                if taken := self.pipe.take():
                    yield taken
        self.checksums[name] = digest.hexdigest()
        yield self.pipe.take()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """The columns of a table: those of its archive, those that are left out, and its primary key.

    A partitioned table may have none, for its partitions have keys of their own: then it is its first column.
    """

    exported: Sequence[str]
    left_out: Sequence[str]
    key: Sequence[str]


_COLUMNS = text(
    """
    SELECT a.attname AS name, a.atttypid = 'bytea'::regtype AS is_binary,
           coalesce(a.attnum = ANY(k.conkey), a.attnum = 1) AS is_key
    FROM pg_attribute a LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
    WHERE a.attrelid = CAST(:table AS regclass) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """
)


def columns_of(session: Session, table: PersonalTable) -> TableColumns:
    """Return the columns of a table, as the database has it."""
    found = session.execute(_COLUMNS, {"table": table.name}).all()
    shown = {row.name for row in found if not row.is_binary} - table.hidden
    if table.columns is not None:
        shown &= table.columns
    return TableColumns(
        exported=[row.name for row in found if row.name in shown],
        left_out=[row.name for row in found if row.name not in shown],
        key=[row.name for row in found if row.is_key],
    )


def _json_line(row: Mapping[str, Any]) -> str:
    return inert_json(json.dumps(dict(row), default=_plain, ensure_ascii=False)) + "\n"


def _csv_lines(columns: Sequence[str], rows: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([cell(row[name]) for name in columns])
    yield buffer.getvalue()


def cell(value: Any) -> str:  # noqa: ANN401 - any column
    """Return a value as a cell of a spreadsheet: numbers stay numbers, and no text is a formula or a control code."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal() | date() | timedelta():
            return str(_plain(value)) if not isinstance(value, int | float) else str(value)
        case dict() | list():
            return _FORMULA_BEHIND.sub("'", inert_json(json.dumps(value, default=_plain, ensure_ascii=False)))
        case _:
            return _FORMULA_BEHIND.sub("'", _FORMULA.sub("'", inert(str(value))))


def _plain(value: Any) -> Any:  # noqa: ANN401 - what JSON lacks
    match value:
        case Decimal():
            return format(value, "f")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return str(value)


def _files(root: Path | None, user_id: int) -> list[Mapping[str, Any]]:
    folder = None if root is None else folder_of_user(root, user_id)
    if folder is None or not folder.is_dir():
        return []
    return [
        {
            "path": str(path.relative_to(folder)),
            "bytes": path.stat().st_size,
            "sha256": _checksum(path),
            "modified_at": datetime.fromtimestamp(path.stat().st_mtime, UTC),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    ]


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
