"""Leads that are one with another, and what captures said of people who were known already."""

from __future__ import annotations

from alembic import op

revision = "leads_0002"
down_revision = "leads_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE leads ADD COLUMN merged_into uuid")
    op.execute("""
        CREATE TABLE tellings (
            touch_id uuid NOT NULL,
            person_id uuid NOT NULL,
            told_at timestamptz NOT NULL,
            capture jsonb NOT NULL,
            CONSTRAINT pk_tellings PRIMARY KEY (touch_id)
        )
    """)
    op.execute("CREATE INDEX ix_tellings_person_id ON tellings (person_id, told_at)")
    op.execute("CREATE INDEX ix_tellings_told_at ON tellings (told_at)")


def downgrade() -> None:
    op.execute("DROP TABLE tellings")
    op.execute("ALTER TABLE leads DROP COLUMN merged_into")
