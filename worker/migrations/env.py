"""What Alembic runs to begin: our revisions on the connection it is given, each in a transaction of its own."""

from alembic import context

from worker.migrations.chain import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
