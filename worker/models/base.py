"""The declarative base. No relationships are declared: each query loads the rows that it needs."""

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Root of all tables of the worker and of the FinMind tables that it reads or writes."""
