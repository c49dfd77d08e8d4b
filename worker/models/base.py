"""The declarative base. Relationships are not declared: rows are loaded by the queries beside their only user."""

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Root of all tables of the worker and of the FinMind tables that it reads or writes."""
