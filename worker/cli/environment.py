"""Finds the database, the broker and the keys: in the environment, or in what a running `up` published."""

import os
from functools import cache

from worker.process.state_directory import published_addresses
from worker.settings import Settings, check_addresses, load_settings


@cache
def settings() -> Settings:
    """Read the settings; what the environment leaves out is taken from a running `up`.

    Raises: ConfigurationError.
    """
    for name, value in published_addresses().items():
        os.environ.setdefault(name, value)
    found = load_settings()
    check_addresses(found)
    return found
