"""A process may open as many files as it wants, as far as the system lets it."""

import resource

import pytest

from worker.process.open_files import allow_open_files

ANY = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "allowed", "set_to"),
    [
        ((1024, 524_288), 4096, (4352, 524_288)),
        ((1024, 2048), 1792, (2048, 2048)),
        ((1024, ANY), 4096, (4352, ANY)),
        ((20_000, 20_000), 4096, None),
        ((ANY, ANY), 4096, None),
        ((256, 256), 1, (256, 256)),
    ],
    ids=str,
)
def test_the_limit_is_raised_as_far_as_it_may(monkeypatch, limits, allowed, set_to):
    made = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, limit: made.append(limit))
    assert allow_open_files(4096, beside=256) == allowed
    assert made == ([] if set_to is None else [set_to])
