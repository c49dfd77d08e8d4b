"""What is kept for a second use is bounded by itself and by what the whole process keeps."""

import gc

from worker.connectors.file.statement import shared_cache
from worker.connectors.file.statement.shared_cache import KeptItems, _Budget


def filled(number: int, **bounds: int) -> KeptItems[int]:
    items: KeptItems[int] = KeptItems(**bounds)
    for item in range(number):
        items.append(item)
    return items


def test_a_list_that_grows_too_long_is_dropped_whole():
    assert filled(2000, most=2000).items == list(range(2000))
    assert filled(2001, most=2000).items is None


def test_all_lists_of_a_process_share_one_bound_and_give_back_what_they_held(monkeypatch):
    monkeypatch.setattr(shared_cache, "_BUDGET", _Budget(3000))
    first = filled(2500)
    assert first.items is not None
    assert filled(500).items is None
    first.drop()
    assert filled(3000).items is not None
    gc.collect()
    assert filled(3000).items is not None
