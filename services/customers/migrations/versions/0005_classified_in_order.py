"""When each customer was opened, beside their types and their stage: lists of either are read in that order.

The version before, which runs beside this one for a while, does not tell it of whom it adds. Those come first in such
lists, as the newest would, until they are classified again, within a day.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import op

from shared.indexes import add_index

revision = "customers_0005"
down_revision = "customers_0004"
branch_labels = None
depends_on = None

TYPES = (
    "potential", "actual", "new", "regular", "loyal", "discount_seeking", "former", "internal", "external",
    "intermediary",
)  # fmt: skip

FILL = """
WITH mine AS MATERIALIZED (
    SELECT person_id FROM classifications WHERE person_id > :last ORDER BY person_id LIMIT 1000 FOR UPDATE
), told AS (
    UPDATE classifications AS kept SET opened_at = customers.created_at
    FROM mine JOIN customers ON customers.id = mine.person_id
    WHERE kept.person_id = mine.person_id AND kept.opened_at = 'infinity'
)
SELECT person_id FROM mine ORDER BY person_id DESC LIMIT 1
"""
"""A page, committed by itself: nobody who marks a customer waits for all of them."""


def upgrade() -> None:
    op.execute("ALTER TABLE classifications ADD COLUMN IF NOT EXISTS opened_at timestamptz NOT NULL DEFAULT 'infinity'")
    with op.get_context().autocommit_block():
        last: UUID | None = UUID(int=0)
        while last is not None:
            last = op.get_bind().scalar(sa.text(FILL), {"last": last})
    add_index("ix_classifications_stage_opened_at_person_id", "classifications (stage, opened_at, person_id)")
    for each in TYPES:
        add_index(
            f"ix_classifications_{each}", f"classifications (opened_at, person_id) WHERE types @> ARRAY['{each}']"
        )
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_classifications_stage")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_classifications_types")


def downgrade() -> None:
    op.execute("CREATE INDEX ix_classifications_types ON classifications USING gin (types)")
    op.execute("CREATE INDEX ix_classifications_stage ON classifications (stage)")
    for each in ("stage_opened_at_person_id", *TYPES):
        op.execute(f"DROP INDEX ix_classifications_{each}")
    op.execute("ALTER TABLE classifications DROP COLUMN opened_at")
