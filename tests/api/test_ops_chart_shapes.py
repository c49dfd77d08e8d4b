"""Bars and lines lie inside their box and have the heights of their values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.api.ops.chart_shapes import HEIGHT, LEFT, TOP, WIDTH, bar_paths, freshness, nice_top, outcomes, seconds
from worker.status.charts import Activity, Span

FROM_AT = datetime(2026, 3, 1, tzinfo=UTC)
counts = st.integers(0, 10**7)
times = st.none() | st.floats(0, 10**6)
activities = st.lists(
    st.builds(
        Activity,
        from_at=st.integers(0, 700).map(lambda hours: FROM_AT + timedelta(hours=hours)),
        succeeded=counts,
        partial=counts,
        failed=counts,
        run_p50_s=times,
        run_p95_s=times,
        fresh_ratio=st.none() | st.floats(0, 1),
    ),
    min_size=1,
    max_size=31,
)


@given(activities)
def test_every_shape_lies_inside_the_box(steps):
    for chart in (outcomes(steps, Span.DAY), seconds(steps, Span.DAY), freshness(steps, Span.DAY)):
        for bar in chart.bars:
            assert bar.x >= LEFT
            assert bar.x + bar.width <= WIDTH + 1
            assert TOP - 0.1 <= bar.y <= bar.y + bar.height <= HEIGHT
        for line in chart.lines:
            for point in " ".join(line.points).split():
                x, y = map(float, point.split(","))
                assert LEFT <= x <= WIDTH
                assert TOP - 0.1 <= y <= HEIGHT
        assert len(chart.rows) == len(steps)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (1.1, 2), (3, 5), (5, 5), (7, 10), (99, 100), (101, 200), (10**6, 10**6)]
)
def test_a_scale_ends_at_a_round_number(value, top):
    assert nice_top(value) == top


def test_a_step_without_a_value_interrupts_its_line():
    steps = [Activity(from_at=FROM_AT, run_p50_s=value) for value in (1.0, None, 2.0)]
    assert len(seconds(steps, Span.DAY).lines[0].points) == 2


def test_small_bars_are_one_path_with_those_of_days_with_a_failure_apart():
    assert bar_paths([4, 0, 2], [False, True, False]) == [
        ("bar", "M0 26v-24.0h6V26zM16 26v-12.0h6V26z"),
        ("failed", "M8 26v-6.0h6V26z"),
    ]
    assert bar_paths([0]) == [("bar", "M0 26v-1.0h6V26z")]
