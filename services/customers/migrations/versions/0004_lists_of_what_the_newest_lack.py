"""Tickets by kind, by priority and for managers, in the order of the list, however old."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "customers_0004"
down_revision = "customers_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_tickets_kind_opened_at_id", "tickets (kind, opened_at, id)")
    add_index("ix_tickets_priority_opened_at_id", "tickets (priority, opened_at, id)")
    add_index("ix_tickets_for_manager", "tickets (opened_at, id) WHERE for_manager")


def downgrade() -> None:
    for name in ("kind_opened_at_id", "priority_opened_at_id", "for_manager"):
        op.execute(f"DROP INDEX ix_tickets_{name}")
