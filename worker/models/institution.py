"""Tables of institutions and of how well each one answers."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Float, Integer, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, FromZero


class InstitutionWeather(Base):
    """Whether a bank answers, and figures of its connections; the fields are those of `runs.bank_outages.BankState`."""

    __tablename__ = "institution_weather"

    connector_name: Mapped[str] = mapped_column(String(50), primary_key=True)
    institution: Mapped[str] = mapped_column(String(200), primary_key=True)
    score: Mapped[float] = mapped_column(Float(53), server_default=text("0"))
    failed_users: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))
    answered: Mapped[FromZero]
    failing_since_at: Mapped[datetime | None]
    outage_since_at: Mapped[datetime | None]
    last_code: Mapped[str | None] = mapped_column(String(40))
    last_good_at: Mapped[datetime | None]
    connections: Mapped[FromZero]
    users: Mapped[FromZero]
    fresh: Mapped[FromZero]
    lateness_days: Mapped[int | None]


class InstitutionDay(Base):
    """The runs of a bank on one day, and how many of them were good.

    `runs` and `good` count runs whose bank the provider named; all others count every run, once the day has ended, and
    have the names and meanings of `run_activity`.
    """

    __tablename__ = "institution_days"

    connector_name: Mapped[str] = mapped_column(String(50), primary_key=True)
    institution: Mapped[str] = mapped_column(String(200), primary_key=True)
    day_on: Mapped[date] = mapped_column(primary_key=True)
    runs: Mapped[FromZero]
    good: Mapped[FromZero]
    succeeded: Mapped[int | None]
    partial: Mapped[int | None]
    failed: Mapped[int | None]
    cancelled: Mapped[int | None]
    rows_changed: Mapped[int | None] = mapped_column(BigInteger)
    wait_p95_s: Mapped[float | None] = mapped_column(Float(53))
    run_p50_s: Mapped[float | None] = mapped_column(Float(53))
    run_p95_s: Mapped[float | None] = mapped_column(Float(53))
    connections: Mapped[int | None]
    fresh: Mapped[int | None]


class InstitutionWeatherProgress(Base):
    """Up to which run the banks were observed, and before which day days are counted; the one row of its table."""

    __tablename__ = "institution_weather_progress"

    id: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    until_at: Mapped[datetime]
    figures_at: Mapped[datetime | None]
    days_until_on: Mapped[date | None]
