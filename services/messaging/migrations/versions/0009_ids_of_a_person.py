"""The ids that mean a person: lists follow them, and decisions do before every message."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "messaging_0009"
down_revision = "messaging_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_contact_aliases_person_id", "state.contact_aliases (person_id)")


def downgrade() -> None:
    op.execute("DROP INDEX state.ix_contact_aliases_person_id")
