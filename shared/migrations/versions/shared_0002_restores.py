"""What a restore of a database or of the log leaves to know: lost events, why the relay stands still, cards anew."""

from __future__ import annotations

from alembic import op

revision = "shared_0002"
down_revision = "shared_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE lost_events (
            event_id uuid NOT NULL,
            topic text NOT NULL,
            partition integer NOT NULL,
            position bigint NOT NULL,
            version bigint NOT NULL,
            key uuid NOT NULL,
            subject uuid NOT NULL,
            type text NOT NULL,
            recorded_at timestamptz NOT NULL,
            found_at timestamptz NOT NULL DEFAULT now(),
            remade_at timestamptz,
            restated_at timestamptz,
            CONSTRAINT pk_lost_events PRIMARY KEY (event_id)
        )
    """)
    op.execute("COMMENT ON COLUMN lost_events.remade_at IS 'when a handler made the event again, which was not sent'")
    op.execute("COMMENT ON COLUMN lost_events.restated_at IS 'when what is held for the key was published'")
    op.execute("CREATE INDEX ix_lost_events_key ON lost_events (key) WHERE restated_at IS NULL")
    op.execute("ALTER TABLE relay_lease ADD COLUMN stopped text, ADD COLUMN cards_epoch bigint NOT NULL DEFAULT 0")
    op.execute("COMMENT ON COLUMN relay_lease.stopped IS 'why the relay stands still; null while it works'")
    op.execute("COMMENT ON COLUMN relay_lease.cards_epoch IS 'when all cards were last sent anew, as Unix time'")


def downgrade() -> None:
    op.execute("ALTER TABLE relay_lease DROP COLUMN stopped, DROP COLUMN cards_epoch")
    op.execute("DROP TABLE lost_events")
