"""Each purchase beside the two before it: times between, and who bought again, are read within a span alone.

The version before, which may fold beside this one for a while, does not tell it of what it folds. Who is counted anew
is mended by that; a rebuild mends all.
"""

from __future__ import annotations

from alembic import op

revision = "metrics_0004"
down_revision = "metrics_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE state.purchase_gaps (
            purchase_id uuid NOT NULL,
            occurred_at timestamptz NOT NULL,
            previous_at timestamptz,
            before_at timestamptz,
            CONSTRAINT pk_purchase_gaps PRIMARY KEY (purchase_id)
        )
    """)
    op.execute("""
        COMMENT ON TABLE state.purchase_gaps IS
        'Purchases in the figures, each with the times of the same person''s last one and of the one before that.'
    """)
    op.execute("""
        INSERT INTO state.purchase_gaps (purchase_id, occurred_at, previous_at, before_at)
        SELECT purchase_id, occurred_at, lag(occurred_at) OVER told, lag(occurred_at, 2) OVER told
        FROM state.counted_purchases WINDOW told AS (PARTITION BY person_id ORDER BY occurred_at, purchase_id)
    """)
    op.execute("""
        CREATE INDEX ix_purchase_gaps_occurred_at_previous_at_before_at
        ON state.purchase_gaps (occurred_at, previous_at, before_at)
    """)


def downgrade() -> None:
    op.execute("DROP TABLE state.purchase_gaps")
