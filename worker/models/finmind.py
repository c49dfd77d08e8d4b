"""FinMind's own tables, which the worker creates only if they are absent and never alters."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import DateTime, Enum, ForeignKey, Numeric, String, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base


class User(Base):
    """A person; FinMind's own table.

    No role of ours may read all of it (`schema/roles.sql`), so that whoever needs a column names it.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), deferred=True)
    password_hash: Mapped[str] = mapped_column(String(255), deferred=True)
    preferred_currency: Mapped[str] = mapped_column(String(10), server_default="INR", deferred=True)
    role: Mapped[str] = mapped_column(String(20), server_default="USER", deferred=True)
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=text("now()"), deferred=True)


class Category(Base):
    """A category of expenses; FinMind's own table."""

    __tablename__ = "categories"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=text("now()"))


class RecurringExpense(Base):
    """An expense that repeats; FinMind's own table."""

    __tablename__ = "recurring_expenses"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id", ondelete="SET NULL"))
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    currency: Mapped[str] = mapped_column(String(10), server_default="INR")
    expense_type: Mapped[str] = mapped_column(String(20), server_default="EXPENSE")
    notes: Mapped[str] = mapped_column(String(500))
    cadence: Mapped[str] = mapped_column(Enum("DAILY", "WEEKLY", "MONTHLY", "YEARLY", name="recurring_cadence"))
    start_date: Mapped[date]
    end_date: Mapped[date | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=text("now()"))


class Expense(Base):
    """What the user sees and may edit; FinMind's own table, holds income too (positive `amount`, `expense_type`)."""

    __tablename__ = "expenses"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id", ondelete="SET NULL"))
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    currency: Mapped[str] = mapped_column(String(10), server_default="INR")
    expense_type: Mapped[str] = mapped_column(String(20), server_default="EXPENSE")
    notes: Mapped[str | None] = mapped_column(String(500))
    spent_at: Mapped[date] = mapped_column(server_default=text("CURRENT_DATE"))
    source_recurring_id: Mapped[int | None] = mapped_column(ForeignKey("recurring_expenses.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=text("now()"))
