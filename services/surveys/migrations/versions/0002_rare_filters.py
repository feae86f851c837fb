"""Invitations by what lists are filtered by: a value that is rare, or unknown, would have all of them read."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "surveys_0002"
down_revision = "surveys_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_invitations_reason_requested_at_id",
        "invitations (reason, requested_at, id) WHERE reason IS NOT NULL",
    )
    add_index("ix_invitations_touchpoint", "invitations (touchpoint) WHERE touchpoint IS NOT NULL")
    add_index("ix_invitations_product", "invitations (product) WHERE product IS NOT NULL")
    add_index("ix_invitations_agent_id", "invitations (agent_id) WHERE agent_id IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX ix_invitations_reason_requested_at_id")
    op.execute("DROP INDEX ix_invitations_touchpoint")
    op.execute("DROP INDEX ix_invitations_product")
    op.execute("DROP INDEX ix_invitations_agent_id")
