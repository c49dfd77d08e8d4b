"""`schema.sql` and `roles.sql`: applies them to a database, and compares it with them and with the models."""

from worker.schema.apply import (
    apply_schema,
    create_missing,
    drop_half_built_indexes,
    is_fresh,
    schema_locked,
    schema_sql,
)
from worker.schema.check import check_models, check_schema, database_differences
from worker.schema.roles import DatabaseRole, apply_roles, grant_again, read_login, role_differences, roles_sql

__all__ = [
    "DatabaseRole",
    "apply_roles",
    "apply_schema",
    "check_models",
    "check_schema",
    "create_missing",
    "database_differences",
    "drop_half_built_indexes",
    "grant_again",
    "is_fresh",
    "read_login",
    "role_differences",
    "roles_sql",
    "schema_locked",
    "schema_sql",
]
