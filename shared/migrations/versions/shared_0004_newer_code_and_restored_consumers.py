"""What consumers need to wait for newer code, and to know that their database was restored."""

from __future__ import annotations

from alembic import op

revision = "shared_0004"
down_revision = "shared_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE inbox ADD COLUMN restored_until bigint NOT NULL DEFAULT 0")
    op.execute("""
        COMMENT ON COLUMN inbox.restored_until IS
        'offset up to which a database that is gone had handled the partition: no effects before it'
    """)
    op.execute("ALTER TABLE parked ADD COLUMN unknown boolean NOT NULL DEFAULT false")
    op.execute("""
        COMMENT ON COLUMN parked.unknown IS
        'written by newer code than read it: waits, without tries, until the contracts know it'
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE parked DROP COLUMN unknown")
    op.execute("ALTER TABLE inbox DROP COLUMN restored_until")
