"""Alembic's environment for every service: runs on the connection that `shared.migrate` hands over."""

from __future__ import annotations

from alembic import context

from shared.migrate import Target

target: Target = context.config.attributes["target"]

context.configure(
    connection=target.connection,
    target_metadata=target.metadata,
    include_schemas=True,
    include_name=target.owns,
    compare_type=True,
    compare_server_default=True,
    version_table="alembic_version",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
