"""Reads the revisions in their order from the files, without a database."""

from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from worker.migrations.pending import VERSIONS

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All revisions.

    Attributes:
        ids: Oldest first; the first one is the baseline.
    """

    config: Config
    ids: tuple[str, ...]

    @property
    def baseline(self) -> str:
        """The revision that was the whole schema once."""
        return self.ids[0]

    @property
    def head(self) -> str:
        """The newest revision, which is schema.sql."""
        return self.ids[-1]

    def after(self, revision: str) -> tuple[str, ...]:
        """Return what comes after a revision of this chain, in order."""
        return self.ids[self.ids.index(revision) + 1 :]


def open_chain(*more: Path) -> Chain:
    """Read the revisions that ship with the package, and those in further folders."""
    config = Config()
    _set(config, "script_location", str(_HERE))
    _set(config, "path_separator", "newline")
    _set(config, "version_locations", "\n".join(str(folder) for folder in (VERSIONS, *more)))
    newest_first = ScriptDirectory.from_config(config).walk_revisions()
    return Chain(config=config, ids=tuple(script.revision for script in newest_first)[::-1])


def baseline_sql() -> str:
    """Return the schema of the baseline; it stays as it was when schema.sql goes on."""
    return (VERSIONS / "r0001_baseline.sql").read_text(encoding="utf-8")


def _set(config: Config, name: str, value: str) -> None:
    config.set_main_option(name, value.replace("%", "%%"))  # the file format of Alembic interpolates
