"""Attitudes by answer: one that is withdrawn leaves the one before it.

What was kept until now stands under the person's id; `peyvand rebuild customers` fills in what lies before.
"""

from __future__ import annotations

from alembic import op

revision = "customers_0002"
down_revision = "customers_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE state.attitudes ADD COLUMN event_id uuid")
    op.execute("UPDATE state.attitudes SET event_id = person_id")
    op.execute("ALTER TABLE state.attitudes ALTER COLUMN event_id SET NOT NULL")
    op.execute("ALTER TABLE state.attitudes DROP CONSTRAINT pk_attitudes")
    op.execute("ALTER TABLE state.attitudes ADD CONSTRAINT pk_attitudes PRIMARY KEY (event_id)")
    op.execute("CREATE INDEX ix_attitudes_person_id ON state.attitudes (person_id)")
