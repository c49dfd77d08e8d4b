"""Where a command finds the database, the broker and the keys: the environment, or what a running `up` left behind."""

import os
from functools import cache
from pathlib import Path

from worker.settings import Settings, check_addresses, load_settings

ADDRESSES = "env"
"""A running `up` writes its addresses, one `NAME=value` a line, to this file of its state directory."""


def state_directory() -> Path:
    """Return the directory in which `up` keeps its data: FINMIND_STATE_DIR, else `.finmind` here."""
    return Path(os.environ.get("FINMIND_STATE_DIR") or ".finmind")


@cache
def settings() -> Settings:
    """Read the settings; what the environment leaves out is taken from a running `up`.

    Raises: ConfigurationError.
    """
    addresses = state_directory() / ADDRESSES
    if addresses.is_file():
        for line in addresses.read_text(encoding="utf-8").splitlines():
            name, separator, value = line.partition("=")
            if separator and not name.startswith("#"):
                os.environ.setdefault(name.strip(), value.strip())
    found = load_settings()
    check_addresses(found)
    return found
