"""Messages that are due by channel: what one channel has waiting is not gone through for what another has.

The index without the channel stays for the version before.
"""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "messaging_0008"
down_revision = "messaging_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_messages_due_by_channel", "messages (lane, channel, due_at) WHERE status in ('queued', 'held')")


def downgrade() -> None:
    op.execute("DROP INDEX ix_messages_due_by_channel")
