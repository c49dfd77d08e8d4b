"""When a crashed process is started again."""

import pytest

from worker.local.restart_policy import RestartPolicy, restart_delay_s
from worker.local.terminal_lines import LineBuffer

POLICY = RestartPolicy(first_delay_s=1, longest_delay_s=5, crashes=5, within_s=60)


@pytest.mark.parametrize(
    ("crashed_at_s", "delay_s"),
    [
        ([100], 1),
        ([100, 102], 2),
        ([100, 102, 106], 4),
        ([100, 102, 106, 114], 5),
        ([100, 102, 106, 114, 122], None),
        ([0, 10, 20, 30, 95], 1),
        ([0, 30, 40, 50, 79, 80], None),
        ([0, 100, 200, 300, 400, 500], 1),
    ],
    ids=["first", "second", "third", "bounded", "fifth", "long ago", "five of six", "now and then"],
)
def test_delays_double_and_a_loop_ends(crashed_at_s: list[float], delay_s: float | None) -> None:
    assert restart_delay_s(POLICY, crashed_at_s) == delay_s


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"on", b"e\ntw", b"o\n"], ["one", "two"]),
        ([b"no end", b""], ["no end"]),
        ([b"\xff\xfe broken \r\n"], ["\ufffd\ufffd broken"]),
        ([b"x" * 70_000], ["x" * 70_000]),
        ([b"a\n\nb\n"], ["a", "", "b"]),
    ],
    ids=["whole", "in pieces", "without an end", "not text", "endless", "blank"],
)
def test_chunks_become_whole_lines(chunks: list[bytes], lines: list[str]) -> None:
    buffer = LineBuffer()
    assert [line for chunk in chunks for line in buffer.feed(chunk)] == lines
