"""`schema.sql`: where it is and how it is applied."""

from importlib import resources
from pathlib import Path

from sqlalchemy import Engine


def schema_sql() -> str:
    """Return the text of schema.sql: beside the package when installed, at the top of the checkout otherwise."""
    packaged = resources.files("worker") / "schema.sql"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).resolve().parent.parent / "schema.sql").read_text(encoding="utf-8")


def apply_schema(engine: Engine) -> None:
    """Apply schema.sql in one transaction; nothing that exists is altered."""
    with engine.begin() as connection:
        connection.exec_driver_sql(schema_sql())
