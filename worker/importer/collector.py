"""The garbage collector rests while rows are read and planned.

A delivery is a hundred thousand small acyclic objects, freed by reference counts; searching them for cycles again
and again took a quarter of an import's processor time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting_collector() -> Iterator[None]:
    """Switch cycle collection off for a block, and on again if it was on."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
