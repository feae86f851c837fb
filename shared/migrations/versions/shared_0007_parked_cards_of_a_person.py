"""Parked and dead cards by whose they are: an erasure looks for them, however much is parked."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "shared_0007"
down_revision = "shared_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_parked_cards", "parked (key) WHERE body IS NOT NULL AND topic LIKE '%.contacts.%'")


def downgrade() -> None:
    op.execute("DROP INDEX ix_parked_cards")
