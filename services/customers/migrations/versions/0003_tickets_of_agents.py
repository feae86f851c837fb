"""Tickets by agent, resolved ones too: the list is filtered so."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "customers_0003"
down_revision = "customers_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_tickets_agent_id_opened_at_id", "tickets (agent_id, opened_at, id) WHERE agent_id IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX ix_tickets_agent_id_opened_at_id")
