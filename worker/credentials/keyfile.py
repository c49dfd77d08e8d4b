"""The key file: created with mode 0600 and replaced atomically; removed keys are kept in a file beside it."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.credentials.local import generate_key, parse_keys
from worker.errors import ConfigurationError, NotFoundError

_PRIVATE = 0o600


def ensure_key_file(path: Path) -> Path:
    """Make a key file, mode 0600, unless it is there already; two processes at once end up with the same one."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _draft(path, generate_key() + "\n") as draft:
        try:
            os.link(draft, path)
        except FileExistsError:
            return path  # the other process was first
    return path


def add_key(path: Path) -> str:
    """Put a new key first in the file, so that it seals from now on, and return its id. The file may be absent."""
    entry = generate_key()
    _replace(path, entry + "\n" + (read_key_file(path) if path.exists() else ""))
    return entry.partition(":")[0]


def drop_key(path: Path, key_id: str) -> Path:
    """Move a key from the file to the file of retired keys beside it, and return that one's path.

    Old dumps of the database still need the key; deleting the file of retired keys is what makes them unreadable.
    Raises: NotFoundError.
    """
    entries = read_key_file(path).replace(",", "\n").split()
    gone = [entry for entry in entries if entry.partition(":")[0] == key_id]
    if not gone:
        raise NotFoundError(f"no credential key {key_id!r} in {path}")
    retired = path.with_name(f"{path.name}.retired")
    _replace(retired, "\n".join([*(read_key_file(retired).split() if retired.exists() else []), *gone, ""]))
    _replace(path, "\n".join([*(entry for entry in entries if entry not in gone), ""]))
    return retired


def read_key_file(path: Path) -> str:
    """Return the text of a key file. Raises: ConfigurationError naming the file, never its content."""
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        reason = "it is not plain text"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise ConfigurationError(f"the key file {path} cannot be read: {reason}")


def _replace(path: Path, text: str) -> None:
    """Write the whole file in one step, keeping the mode it has; what does not parse is not written."""
    parse_keys(text, source=str(path))
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _PRIVATE
    with _draft(path, text) as draft:
        draft.chmod(mode)
        draft.rename(path)


@contextmanager
def _draft(path: Path, text: str) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
