"""The numbers of erased people as keyed hashes, for as long as a panel may tell of what they sent before."""

from __future__ import annotations

from alembic import op

revision = "messaging_0005"
down_revision = "messaging_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE erased_addresses (
            address_hash bytea NOT NULL,
            erased_at timestamptz NOT NULL,
            CONSTRAINT pk_erased_addresses PRIMARY KEY (address_hash)
        )
    """)
    op.execute("CREATE INDEX ix_erased_addresses_erased_at ON erased_addresses (erased_at)")
    op.execute("COMMENT ON COLUMN erased_addresses.address_hash IS 'HMAC of channel and address'")


def downgrade() -> None:
    op.execute("DROP TABLE erased_addresses")
