"""When each line was bought, beside its product: the purchases of a product are read in that order.

The version before, which runs beside this one for a while, writes lines without it; a trigger adds it to those. It is
of no use once that version runs nowhere any more.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import op

from shared.indexes import add_index

revision = "customers_0006"
down_revision = "customers_0005"
branch_labels = None
depends_on = None

DATE = """
CREATE OR REPLACE FUNCTION date_purchase_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE purchase_lines SET occurred_at = purchases.occurred_at
    FROM purchases
    WHERE purchases.id = NEW.purchase_id
      AND (purchase_lines.purchase_id, purchase_lines.place) = (NEW.purchase_id, NEW.place);
    RETURN NULL;
END
$$
"""
WHERE_MISSING = """
CREATE OR REPLACE TRIGGER date_purchase_line AFTER INSERT ON purchase_lines
FOR EACH ROW WHEN (NEW.occurred_at IS NULL) EXECUTE FUNCTION date_purchase_line()
"""
"""After the row is written: a trigger before it would have COPY write row by row."""

FILL = """
WITH mine AS MATERIALIZED (
    SELECT id, occurred_at FROM purchases WHERE id > :last ORDER BY id LIMIT 1000
), told AS (
    UPDATE purchase_lines AS line SET occurred_at = mine.occurred_at
    FROM mine WHERE line.purchase_id = mine.id AND line.occurred_at IS NULL
)
SELECT id FROM mine ORDER BY id DESC LIMIT 1
"""
"""A page, committed by itself. Nobody waits for it: lines are written once, and not changed."""


def upgrade() -> None:
    op.execute("ALTER TABLE purchase_lines ADD COLUMN IF NOT EXISTS occurred_at timestamptz")
    op.execute(DATE)
    op.execute(WHERE_MISSING)
    with op.get_context().autocommit_block():
        last: UUID | None = UUID(int=0)
        while last is not None:
            last = op.get_bind().scalar(sa.text(FILL), {"last": last})
    add_index("ix_purchase_lines_product_occurred_at_purchase_id", "purchase_lines (product, occurred_at, purchase_id)")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_purchase_lines_product_purchase_id")


def downgrade() -> None:
    op.execute("CREATE INDEX ix_purchase_lines_product_purchase_id ON purchase_lines (product, purchase_id)")
    op.execute("DROP INDEX ix_purchase_lines_product_occurred_at_purchase_id")
    op.execute("DROP TRIGGER date_purchase_line ON purchase_lines")
    op.execute("DROP FUNCTION date_purchase_line")
    op.execute("ALTER TABLE purchase_lines DROP COLUMN occurred_at")
