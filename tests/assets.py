"""Files of others that stand beside some checkouts: their owners' terms keep them out of the project.

A test that reads some is marked with `beside` and their names, and is left out where they are not; an invented twin
stands for it in every checkout.
"""

from pathlib import Path

import pytest

ASSETS = Path(__file__).resolve().parents[2] / "shared" / "assets"


def is_there(item: pytest.Item) -> bool:
    """Say whether this checkout has all the files that a test reads."""
    return all((ASSETS / name).exists() for mark in item.iter_markers("beside") for name in mark.args)
