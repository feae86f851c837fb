"""The order of all that is parked, in an index by itself: to look at it reads no bodies, and nothing dead."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "shared_0006"
down_revision = "shared_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_parked_waiting",
        "parked (consumer, topic, partition, key, \"offset\") INCLUDE (behind) WHERE state = 'parked'",
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_parked_waiting")
