"""Says which revisions a database lacks, by the names of their files: who only looks does not wait for Alembic."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

VERSION_TABLE = "finmind_worker_schema"
"""Where a database keeps its revision: not `alembic_version`, which is the web app's."""
VERSIONS = Path(__file__).resolve().parent / "versions"

_MAY_READ = text(f"SELECT has_table_privilege(to_regclass('{VERSION_TABLE}'), 'SELECT')")
_REVISION = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant


def pending_revisions(session: Session) -> tuple[str, ...]:
    """Return the revisions that the database lacks, in order; none where it does not say its own to this log-in."""
    revision = session.scalar(_REVISION) if session.scalar(_MAY_READ) else None
    if revision is None:
        return ()
    shipped = sorted(path.name.partition("_")[0] for path in VERSIONS.glob("r*_*.py"))
    return tuple(one for one in shipped if one > revision)
