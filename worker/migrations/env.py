"""Alembic's entry point: runs our revisions on the given connection, each in a transaction of its own."""

from alembic import context

from worker.migrations.pending import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transaction_per_migration=True,
    on_version_apply=context.config.attributes.get("on_version_apply"),
)
with context.begin_transaction():
    context.run_migrations()
