"""Much that is parked, and much that is lost in a restore: what is due, and what is left, is found by an index."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "shared_0005"
down_revision = "shared_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE parked ADD COLUMN IF NOT EXISTS behind boolean NOT NULL DEFAULT false")
    op.execute("COMMENT ON COLUMN parked.behind IS 'waits behind another event of its key, and is not due before it'")
    add_index(
        "ix_parked_ready",
        "parked (consumer, next_attempt_at) WHERE state = 'parked' AND NOT behind AND NOT unknown",
    )
    add_index("ix_parked_state", "parked (consumer, state, unknown, type, next_attempt_at)")
    add_index(
        "ix_lost_events_left",
        "lost_events (topic, partition, position, event_id) WHERE restated_at IS NULL AND remade_at IS NULL",
    )
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_parked_due")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_lost_events_key")


def downgrade() -> None:
    op.execute("CREATE INDEX ix_lost_events_key ON lost_events (key) WHERE restated_at IS NULL")
    op.execute("CREATE INDEX ix_parked_due ON parked (consumer, next_attempt_at) WHERE state = 'parked'")
    for index in ("ix_lost_events_left", "ix_parked_state", "ix_parked_ready"):
        op.execute(f"DROP INDEX {index}")
    op.execute("ALTER TABLE parked DROP COLUMN behind")
