"""The state directory of `up`, and the addresses that a running `up` publishes in it for other terminals.

This module imports little, because probes use it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

ADDRESSES = "env"
"""The file of addresses, one `NAME=value` per line."""


def state_directory() -> Path:
    """Return the directory in which `up` keeps its data: FINMIND_STATE_DIR, otherwise `.finmind` here."""
    return Path(os.environ.get("FINMIND_STATE_DIR") or ".finmind")


def published_addresses(directory: Path | None = None) -> Mapping[str, str]:
    """Return the addresses of the `up` that runs in a directory, as environment variables; empty when none runs."""
    try:
        lines = ((directory or state_directory()) / ADDRESSES).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
