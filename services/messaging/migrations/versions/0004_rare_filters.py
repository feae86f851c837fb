"""Messages by automation and reports by age: what is rare among them would have all of them read."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "messaging_0004"
down_revision = "messaging_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_messages_automation_created_at_id",
        "messages (automation, created_at, id) WHERE automation IS NOT NULL",
    )
    add_index("ix_delivery_reports_heard_at", "delivery_reports (heard_at)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_messages_automation_created_at_id")
    op.execute("DROP INDEX ix_delivery_reports_heard_at")
