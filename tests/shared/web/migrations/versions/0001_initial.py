"""The notes of the tests' own service."""

from __future__ import annotations

from alembic import op

revision = "notes_0001"
down_revision = None
branch_labels = ("notes",)
depends_on = ("shared_0001",)


def upgrade() -> None:
    op.execute("""
        CREATE TABLE notes (
            id uuid NOT NULL,
            text text NOT NULL,
            external_id text,
            kind text,
            rank integer,
            amount bigint NOT NULL DEFAULT 0,
            version integer NOT NULL DEFAULT 1,
            written_at timestamptz NOT NULL,
            CONSTRAINT pk_notes PRIMARY KEY (id),
            CONSTRAINT uq_notes_external_id UNIQUE (external_id)
        )
    """)
    op.execute("""
        ALTER TABLE notes ADD CONSTRAINT uq_notes_text UNIQUE (text) DEFERRABLE INITIALLY DEFERRED
    """)
