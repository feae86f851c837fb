"""Tables of the event machinery and of stored answers."""

from __future__ import annotations

from alembic import op

revision = "shared_0001"
down_revision = None
branch_labels = ("shared",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA state")
    op.execute("""
        CREATE TABLE outbox (
            seq bigint GENERATED ALWAYS AS IDENTITY,
            id uuid NOT NULL,
            topic text NOT NULL,
            type text NOT NULL,
            key uuid NOT NULL,
            subject uuid NOT NULL,
            body bytea,
            occurred_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            correlation_id text,
            causation_id uuid,
            traceparent text,
            CONSTRAINT pk_outbox PRIMARY KEY (seq),
            CONSTRAINT ck_outbox_body_size CHECK (octet_length(body) <= 262144)
        )
    """)
    op.execute("COMMENT ON COLUMN outbox.body IS 'JSON; null for a contact card, which the relay reads when it sends'")
    op.execute("""
        CREATE TABLE relay_lease (
            service text NOT NULL,
            owner uuid,
            until timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_relay_lease PRIMARY KEY (service)
        )
    """)
    op.execute("""
        CREATE TABLE relay_batch (
            id smallint NOT NULL,
            seqs bigint[] NOT NULL,
            partitions integer[] NOT NULL,
            positions bigint[] NOT NULL,
            stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT pk_relay_batch PRIMARY KEY (id),
            CONSTRAINT ck_relay_batch_one_at_a_time CHECK (id = 1)
        )
    """)
    op.execute("""
        CREATE TABLE relay_positions (
            topic text NOT NULL,
            partition integer NOT NULL,
            position bigint NOT NULL,
            CONSTRAINT pk_relay_positions PRIMARY KEY (topic, partition)
        )
    """)
    op.execute("""
        CREATE TABLE relay_cards (
            topic text NOT NULL,
            key uuid NOT NULL,
            version bigint NOT NULL,
            CONSTRAINT pk_relay_cards PRIMARY KEY (topic, key)
        )
    """)
    op.execute("COMMENT ON COLUMN relay_cards.version IS 'of the newest card or tombstone that was sent'")
    op.execute("""
        CREATE TABLE inbox (
            consumer text NOT NULL,
            topic text NOT NULL,
            partition integer NOT NULL,
            next_offset bigint NOT NULL,
            position bigint NOT NULL,
            attempts integer NOT NULL DEFAULT 0,
            careful_until bigint NOT NULL DEFAULT 0,
            stopped text,
            moved_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_inbox PRIMARY KEY (consumer, topic, partition)
        )
    """)
    op.execute("COMMENT ON COLUMN inbox.stopped IS 'why the partition stands still; null while it flows'")
    op.execute("""
        CREATE TABLE parked (
            consumer text NOT NULL,
            topic text NOT NULL,
            partition integer NOT NULL,
            "offset" bigint NOT NULL,
            position bigint NOT NULL,
            key uuid NOT NULL,
            type text NOT NULL,
            headers jsonb NOT NULL,
            body bytea,
            state text NOT NULL DEFAULT 'parked',
            attempts integer NOT NULL DEFAULT 0,
            next_attempt_at timestamptz NOT NULL DEFAULT now(),
            error text,
            parked_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_parked PRIMARY KEY (consumer, topic, partition, "offset"),
            CONSTRAINT ck_parked_state CHECK (state in ('parked', 'dead', 'discarded'))
        )
    """)
    op.execute('CREATE INDEX ix_parked_key ON parked (consumer, topic, partition, key, "offset")')
    op.execute("CREATE INDEX ix_parked_due ON parked (consumer, next_attempt_at) WHERE state = 'parked'")
    op.execute("""
        CREATE TABLE skipped_effects (
            consumer text NOT NULL,
            handler text NOT NULL,
            event_id uuid NOT NULL,
            type text NOT NULL,
            due_at timestamptz NOT NULL,
            reason text NOT NULL,
            skipped_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_skipped_effects PRIMARY KEY (consumer, handler, event_id)
        )
    """)
    op.execute("""
        CREATE TABLE idempotency_keys (
            subject text NOT NULL,
            route text NOT NULL,
            key text NOT NULL,
            request_hash bytea NOT NULL,
            status integer,
            headers jsonb,
            body bytea,
            person_id uuid,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_idempotency_keys PRIMARY KEY (subject, route, key)
        )
    """)
    op.execute("COMMENT ON COLUMN idempotency_keys.body IS 'the stored answer; null once the person in it was erased'")
    op.execute(
        "COMMENT ON COLUMN idempotency_keys.person_id IS 'whom the answer is about, so that erasing them empties it'"
    )
    op.execute("CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at)")
    op.execute("CREATE INDEX ix_idempotency_keys_person_id ON idempotency_keys (person_id)")


def downgrade() -> None:
    for table in (
        "idempotency_keys",
        "skipped_effects",
        "parked",
        "inbox",
        "relay_cards",
        "relay_positions",
        "relay_batch",
        "relay_lease",
        "outbox",
    ):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP SCHEMA state CASCADE")
