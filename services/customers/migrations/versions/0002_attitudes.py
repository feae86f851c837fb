"""Attitudes by answer: one that is withdrawn leaves the one before it.

What was kept until now is taken over under the person's id; `peyvand rebuild customers`, once no worker of the version
before runs any more, makes it anew from the answers. It also leaves out `state.attitudes`, which that version uses.
"""

from __future__ import annotations

from alembic import op

revision = "customers_0002"
down_revision = "customers_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE state.attitudes_by_answer (
            event_id uuid NOT NULL,
            person_id uuid NOT NULL,
            category text NOT NULL,
            occurred_at timestamptz NOT NULL,
            version bigint NOT NULL,
            CONSTRAINT pk_attitudes_by_answer PRIMARY KEY (event_id)
        )
    """)
    op.execute("CREATE INDEX ix_attitudes_by_answer_person_id ON state.attitudes_by_answer (person_id)")
    op.execute("""
        INSERT INTO state.attitudes_by_answer (event_id, person_id, category, occurred_at, version)
        SELECT person_id, person_id, category, occurred_at, version FROM state.attitudes
    """)
