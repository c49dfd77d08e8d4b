"""`schema.sql`: applied to a database, and compared with it and with the models."""

from worker.schema.apply import apply_schema, schema_sql
from worker.schema.check import check_models, check_schema

__all__ = ["apply_schema", "check_models", "check_schema", "schema_sql"]
