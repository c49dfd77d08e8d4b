"""`schema.sql`: applied to a database, and compared with it and with the models."""

from worker.schema.apply import apply_schema, create_missing, is_fresh, schema_locked, schema_sql
from worker.schema.check import check_models, check_schema, database_differences

__all__ = [
    "apply_schema",
    "check_models",
    "check_schema",
    "create_missing",
    "database_differences",
    "is_fresh",
    "schema_locked",
    "schema_sql",
]
