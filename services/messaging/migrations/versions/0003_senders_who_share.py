"""Who may have written a text that could be several people's, so that erasing one of them empties it."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "messaging_0003"
down_revision = "messaging_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What stands before an index stays where building it was broken off, and is done again.
    op.execute("ALTER TABLE inbound_messages ADD COLUMN IF NOT EXISTS shared_by uuid[] NOT NULL DEFAULT '{}'")
    op.execute(
        "COMMENT ON COLUMN inbound_messages.shared_by IS 'who has the sender''s number, where it may be any of them'"
    )
    add_index("ix_inbound_messages_shared_by", "inbound_messages USING gin (shared_by)")


def downgrade() -> None:
    op.execute("ALTER TABLE inbound_messages DROP COLUMN shared_by")
