"""Messages that stay unknown are counted."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "messaging_0006"
down_revision = "messaging_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_messages_unsettled", "messages (ended_at) WHERE status = 'unknown' AND ended_at IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX ix_messages_unsettled")
