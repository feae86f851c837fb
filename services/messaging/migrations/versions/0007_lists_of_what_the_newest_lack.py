"""Messages by status, template and receiver, and texts of nobody, in the order of the list, however old."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "messaging_0007"
down_revision = "messaging_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("status", "template", "person_id"):
        add_index(f"ix_messages_{column}_created_at_id", f"messages ({column}, created_at, id)")
    add_index("ix_inbound_messages_person_id_recorded_at_id", "inbound_messages (person_id, recorded_at, id)")
    add_index("ix_inbound_messages_matched", "inbound_messages (recorded_at, id) WHERE person_id IS NOT NULL")
    add_index("ix_inbound_messages_unmatched", "inbound_messages (recorded_at, id) WHERE person_id IS NULL")
    with op.get_context().autocommit_block():
        for index in ("ix_messages_template", "ix_messages_person_id", "ix_inbound_messages_person_id"):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")


def downgrade() -> None:
    op.execute("CREATE INDEX ix_messages_template ON messages (template, created_at)")
    op.execute("CREATE INDEX ix_messages_person_id ON messages (person_id, created_at)")
    op.execute("CREATE INDEX ix_inbound_messages_person_id ON inbound_messages (person_id)")
    for column in ("status", "template", "person_id"):
        op.execute(f"DROP INDEX ix_messages_{column}_created_at_id")
    for name in ("person_id_recorded_at_id", "matched", "unmatched"):
        op.execute(f"DROP INDEX ix_inbound_messages_{name}")
