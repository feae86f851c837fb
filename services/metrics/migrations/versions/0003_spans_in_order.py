"""Purchases by time with their buyers, and activity by when it began: a span is counted from an index alone.

The indexes that these take the place of go: one of them was costly to keep, and whoever reads by them can do without.
"""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "metrics_0003"
down_revision = "metrics_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_counted_purchases_occurred_at_person_id", "state.counted_purchases (occurred_at, person_id)")
    add_index("ix_activity_spans_span_person_id", "state.activity_spans (span, person_id)")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS state.ix_counted_purchases_occurred_at")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS state.ix_activity_spans_span")


def downgrade() -> None:
    op.execute("CREATE INDEX ix_activity_spans_span ON state.activity_spans USING gist (span)")
    op.execute("CREATE INDEX ix_counted_purchases_occurred_at ON state.counted_purchases (occurred_at)")
    op.execute("DROP INDEX state.ix_activity_spans_span_person_id")
    op.execute("DROP INDEX state.ix_counted_purchases_occurred_at_person_id")
