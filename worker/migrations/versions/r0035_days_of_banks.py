"""The days of a bank say how its runs ended and how long they took, for the charts of its page."""

from alembic import op

revision = "r0035"
down_revision = "r0034"

_COUNTS = ("succeeded", "partial", "failed", "cancelled", "connections", "fresh")
_SECONDS = ("wait_p95_s", "run_p50_s", "run_p95_s")


def upgrade() -> None:
    """Add the columns; the next passes count the days of the last month."""
    columns = [f"{name} INTEGER" for name in _COUNTS] + [f"{name} DOUBLE PRECISION" for name in _SECONDS]
    added = ", ".join(f"ADD COLUMN {column}" for column in [*columns, "rows_changed BIGINT"])
    op.execute(f"ALTER TABLE institution_days {added}")
    op.execute("ALTER TABLE institution_weather_progress ADD COLUMN days_until_on DATE")
