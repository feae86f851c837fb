"""Tickets of a customer by where they stand, and those for managers, however many that customer has."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "customers_0007"
down_revision = "customers_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_tickets_person_id_status_opened_at_id", "tickets (person_id, status, opened_at, id)")
    add_index("ix_tickets_of_a_person_for_manager", "tickets (person_id, opened_at, id) WHERE for_manager")


def downgrade() -> None:
    for name in ("of_a_person_for_manager", "person_id_status_opened_at_id"):
        op.execute(f"DROP INDEX ix_tickets_{name}")
