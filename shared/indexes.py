"""Indexes that migrations add to tables which are written to."""

from __future__ import annotations

from alembic import op


def add_index(name: str, on: str) -> None:
    """Build an index beside those who write, outside any transaction; `on` is the table and what it indexes.

    What an attempt that was broken off left behind is invalid, and is built anew. What the migration did before is kept
    then, and will be done again, so it has to be harmless to repeat (`IF NOT EXISTS`).
    """
    schema, dot, _ = on.partition(" ")[0].rpartition(".")
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}{dot}{name}")
        op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {on}")
