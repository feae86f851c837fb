"""Tables of the messaging service."""

from __future__ import annotations

from alembic import op

revision = "messaging_0001"
down_revision = None
branch_labels = ("messaging",)
depends_on = ("shared_0001",)


def upgrade() -> None:
    _contacts()
    _templates()
    _providers()
    _messages()
    _sending()
    _inbound()
    _suppressions()
    _automations()


def _contacts() -> None:
    op.execute("""
        CREATE TABLE state.contact_cards (
            topic text NOT NULL,
            person_id uuid NOT NULL,
            version bigint NOT NULL,
            erased boolean DEFAULT 'false' NOT NULL,
            kind text DEFAULT '' NOT NULL,
            first_name text,
            last_name text,
            phones text[] DEFAULT '{}' NOT NULL,
            shared_phones text[] DEFAULT '{}' NOT NULL,
            emails text[] DEFAULT '{}' NOT NULL,
            locale text DEFAULT 'fa' NOT NULL,
            time_zone text DEFAULT 'Asia/Tehran' NOT NULL,
            accepts_service boolean DEFAULT 'true' NOT NULL,
            accepts_promotional boolean DEFAULT 'false' NOT NULL,
            CONSTRAINT pk_contact_cards PRIMARY KEY (topic, person_id)
        )
    """)
    op.execute("COMMENT ON COLUMN state.contact_cards.version IS 'the producer''s sequence; the higher one wins'")
    op.execute("CREATE INDEX ix_contact_cards_person_id ON state.contact_cards (person_id)")
    op.execute("CREATE INDEX ix_contact_cards_phones ON state.contact_cards USING gin (phones)")
    op.execute("CREATE INDEX ix_contact_cards_shared_phones ON state.contact_cards USING gin (shared_phones)")
    op.execute("""
        CREATE TABLE state.contact_aliases (
            alias_id uuid NOT NULL,
            person_id uuid NOT NULL,
            CONSTRAINT pk_contact_aliases PRIMARY KEY (alias_id)
        )
    """)
    op.execute("""
        CREATE TABLE erased_people (
            person_id uuid NOT NULL,
            erased_at timestamptz NOT NULL,
            CONSTRAINT pk_erased_people PRIMARY KEY (person_id)
        )
    """)


def _templates() -> None:
    op.execute("""
        CREATE TABLE templates (
            code text NOT NULL,
            channel text NOT NULL,
            purpose text NOT NULL,
            title text NOT NULL,
            title_fa text NOT NULL,
            variables text[] DEFAULT '{}' NOT NULL,
            bodies jsonb NOT NULL,
            version integer DEFAULT '1' NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            CONSTRAINT pk_templates PRIMARY KEY (code),
            CONSTRAINT ck_templates_channel CHECK (channel in ('sms', 'email')),
            CONSTRAINT ck_templates_purpose CHECK (purpose in ('transactional', 'service', 'promotional'))
        )
    """)


def _providers() -> None:
    op.execute("""
        CREATE TABLE provider_accounts (
            id uuid NOT NULL,
            name text NOT NULL,
            kind text NOT NULL,
            base_url text NOT NULL,
            username text DEFAULT '' NOT NULL,
            secret bytea NOT NULL,
            webhook_hash bytea NOT NULL,
            config jsonb DEFAULT '{}' NOT NULL,
            priority integer DEFAULT '100' NOT NULL,
            rate_per_s DOUBLE PRECISION DEFAULT '100' NOT NULL,
            tokens DOUBLE PRECISION DEFAULT '0' NOT NULL,
            tokens_at timestamptz NOT NULL,
            active boolean DEFAULT 'true' NOT NULL,
            paused_reason text,
            paused_at timestamptz,
            credit numeric,
            credit_at timestamptz,
            polled_at timestamptz,
            version integer DEFAULT '1' NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            CONSTRAINT pk_provider_accounts PRIMARY KEY (id),
            CONSTRAINT ck_provider_accounts_kind CHECK (kind in ('smsir', 'smtp')),
            CONSTRAINT ck_provider_accounts_rate CHECK (rate_per_s > 0)
        )
    """)
    op.execute("COMMENT ON COLUMN provider_accounts.config IS 'field mappings, TLS and the like'")
    op.execute("COMMENT ON COLUMN provider_accounts.priority IS 'lower is asked first'")
    op.execute("COMMENT ON COLUMN provider_accounts.polled_at IS 'when inbound messages were last fetched'")
    op.execute("CREATE UNIQUE INDEX uq_provider_accounts_name ON provider_accounts (name)")
    op.execute("""
        CREATE TABLE provider_lines (
            account_id uuid NOT NULL,
            number text NOT NULL,
            purposes text[] NOT NULL,
            hours jsonb DEFAULT '{}' NOT NULL,
            CONSTRAINT pk_provider_lines PRIMARY KEY (account_id, number),
            CONSTRAINT fk_provider_lines_account_id_provider_accounts
                FOREIGN KEY (account_id) REFERENCES provider_accounts (id) ON DELETE CASCADE
        )
    """)
    op.execute("COMMENT ON COLUMN provider_lines.hours IS '{purpose: [from, to]}; no entry: at any hour'")


def _messages() -> None:
    op.execute("""
        CREATE TABLE messages (
            id uuid NOT NULL,
            intent_key text NOT NULL,
            person_id uuid NOT NULL,
            about_id uuid,
            channel text NOT NULL,
            purpose text NOT NULL,
            lane smallint NOT NULL,
            template text,
            variables jsonb DEFAULT '{}' NOT NULL,
            body text,
            automation text,
            invitation_id uuid,
            coupon_id uuid,
            lead_id uuid,
            needs_topic text,
            needs_version bigint DEFAULT '0' NOT NULL,
            status text DEFAULT 'queued' NOT NULL,
            reason text,
            due_at timestamptz NOT NULL,
            not_after timestamptz NOT NULL,
            attempts integer DEFAULT '0' NOT NULL,
            account_id uuid,
            line text,
            address text,
            subject text,
            text text,
            html text,
            parts integer,
            cost numeric,
            flight bytea,
            send_id uuid,
            started_at timestamptz,
            lease_until timestamptz,
            provider_id text,
            pack_id text,
            polls integer DEFAULT '0' NOT NULL,
            poll_at timestamptz,
            created_at timestamptz NOT NULL,
            sent_at timestamptz,
            ended_at timestamptz,
            CONSTRAINT pk_messages PRIMARY KEY (id),
            CONSTRAINT ck_messages_channel CHECK (channel in ('sms', 'email')),
            CONSTRAINT ck_messages_purpose CHECK (purpose in ('transactional', 'service', 'promotional')),
            CONSTRAINT ck_messages_status
                CHECK (status in ('queued', 'held', 'sending', 'sent', 'delivered', 'undelivered', 'failed',
                    'suppressed', 'cancelled', 'unknown')),
            CONSTRAINT fk_messages_account_id_provider_accounts
                FOREIGN KEY (account_id) REFERENCES provider_accounts (id)
        )
    """)
    op.execute("COMMENT ON COLUMN messages.intent_key IS 'one intent gives at most one message'")
    op.execute("COMMENT ON COLUMN messages.about_id IS 'whom a message to staff speaks of'")
    op.execute("COMMENT ON COLUMN messages.body IS 'the text of a message without a template'")
    op.execute("COMMENT ON COLUMN messages.needs_topic IS 'contact topic of the card that it waits for'")
    op.execute("COMMENT ON COLUMN messages.due_at IS 'when somebody has to look at it next'")
    op.execute("COMMENT ON COLUMN messages.not_after IS 'later than this it is stale'")
    op.execute("COMMENT ON COLUMN messages.flight IS 'digest of line, address and text'")
    op.execute("COMMENT ON COLUMN messages.send_id IS 'of the latest attempt'")
    op.execute("COMMENT ON COLUMN messages.started_at IS 'of the latest attempt'")
    op.execute("COMMENT ON COLUMN messages.provider_id IS 'the provider''s id of it'")
    op.execute("CREATE INDEX ix_messages_about_id ON messages (about_id) WHERE about_id IS NOT NULL")
    op.execute("CREATE INDEX ix_messages_created_at ON messages (created_at, id)")
    op.execute("CREATE INDEX ix_messages_due ON messages (lane, due_at) WHERE status in ('queued', 'held')")
    op.execute("CREATE INDEX ix_messages_lease ON messages (lease_until) WHERE status = 'sending'")
    op.execute("CREATE INDEX ix_messages_person_id ON messages (person_id, created_at)")
    op.execute("CREATE INDEX ix_messages_poll ON messages (poll_at) WHERE poll_at IS NOT NULL")
    op.execute("CREATE INDEX ix_messages_promotional ON messages (person_id, started_at) WHERE purpose = 'promotional'")
    op.execute(
        "CREATE INDEX ix_messages_provider_id ON messages (account_id, provider_id) WHERE provider_id IS NOT NULL"
    )
    op.execute("CREATE INDEX ix_messages_template ON messages (template, created_at)")
    op.execute("CREATE INDEX ix_messages_unknown ON messages (due_at) WHERE status = 'unknown' AND ended_at IS NULL")
    op.execute("CREATE UNIQUE INDEX uq_messages_intent_key ON messages (intent_key)")


def _sending() -> None:
    op.execute("""
        CREATE TABLE message_decisions (
            id bigint GENERATED ALWAYS AS IDENTITY,
            message_id uuid NOT NULL,
            decided_at timestamptz NOT NULL,
            outcome text NOT NULL,
            reason text,
            steps jsonb NOT NULL,
            CONSTRAINT pk_message_decisions PRIMARY KEY (id),
            CONSTRAINT fk_message_decisions_message_id_messages
                FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE
        )
    """)
    op.execute("CREATE INDEX ix_message_decisions_message_id ON message_decisions (message_id)")
    op.execute("""
        CREATE TABLE in_flight (
            flight bytea NOT NULL,
            message_id uuid NOT NULL,
            CONSTRAINT pk_in_flight PRIMARY KEY (flight)
        )
    """)
    op.execute("CREATE INDEX ix_in_flight_message_id ON in_flight (message_id)")
    op.execute("""
        CREATE TABLE delivery_reports (
            id bigint GENERATED ALWAYS AS IDENTITY,
            account_id uuid NOT NULL,
            provider_id text NOT NULL,
            code text NOT NULL,
            heard_at timestamptz NOT NULL,
            CONSTRAINT pk_delivery_reports PRIMARY KEY (id),
            CONSTRAINT fk_delivery_reports_account_id_provider_accounts
                FOREIGN KEY (account_id) REFERENCES provider_accounts (id)
        )
    """)
    op.execute("CREATE INDEX ix_delivery_reports_provider_id ON delivery_reports (account_id, provider_id)")


def _inbound() -> None:
    op.execute("""
        CREATE TABLE inbound_messages (
            id uuid NOT NULL,
            account_id uuid NOT NULL,
            dedupe bytea NOT NULL,
            provider_id text,
            exact boolean NOT NULL,
            line text NOT NULL,
            sender text,
            text text,
            person_id uuid,
            meaning text NOT NULL,
            number integer,
            keyword text,
            received_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            CONSTRAINT pk_inbound_messages PRIMARY KEY (id),
            CONSTRAINT ck_inbound_messages_meaning CHECK (meaning in ('reply', 'opt_out', 'rejoin')),
            CONSTRAINT fk_inbound_messages_account_id_provider_accounts
                FOREIGN KEY (account_id) REFERENCES provider_accounts (id)
        )
    """)
    op.execute("COMMENT ON COLUMN inbound_messages.dedupe IS 'digest of line, sender, text and second or id'")
    op.execute("COMMENT ON COLUMN inbound_messages.exact IS 'whether the panel told the time'")
    op.execute("COMMENT ON COLUMN inbound_messages.received_at IS 'as the panel says'")
    op.execute("CREATE INDEX ix_inbound_messages_person_id ON inbound_messages (person_id)")
    op.execute("CREATE INDEX ix_inbound_messages_recorded_at ON inbound_messages (recorded_at, id)")
    op.execute("CREATE INDEX ix_inbound_messages_sender ON inbound_messages (sender, received_at)")
    op.execute(
        "CREATE UNIQUE INDEX uq_inbound_messages_provider_id ON inbound_messages (account_id, provider_id)"
        " WHERE provider_id IS NOT NULL"
    )
    op.execute("CREATE UNIQUE INDEX uq_inbound_messages_dedupe ON inbound_messages (account_id, dedupe)")


def _suppressions() -> None:
    op.execute("""
        CREATE TABLE suppressions (
            id uuid NOT NULL,
            address_hash bytea NOT NULL,
            channel text NOT NULL,
            line text DEFAULT '' NOT NULL,
            purpose text DEFAULT '' NOT NULL,
            source text NOT NULL,
            person_id uuid,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_suppressions PRIMARY KEY (id),
            CONSTRAINT ck_suppressions_channel CHECK (channel in ('sms', 'email')),
            CONSTRAINT ck_suppressions_source CHECK (source in ('reply', 'api', 'link', 'operator'))
        )
    """)
    op.execute("COMMENT ON COLUMN suppressions.address_hash IS 'HMAC of channel and address'")
    op.execute("CREATE INDEX ix_suppressions_created_at ON suppressions (created_at, id)")
    op.execute("CREATE INDEX ix_suppressions_person_id ON suppressions (person_id)")
    op.execute("CREATE UNIQUE INDEX uq_suppressions_address ON suppressions (address_hash, line, purpose, source)")
    op.execute("""
        CREATE TABLE promotion_pauses (
            person_id uuid NOT NULL,
            until timestamptz NOT NULL,
            reason text NOT NULL,
            CONSTRAINT pk_promotion_pauses PRIMARY KEY (person_id)
        )
    """)


def _automations() -> None:
    op.execute("""
        CREATE TABLE automations (
            code text NOT NULL,
            title text NOT NULL,
            title_fa text NOT NULL,
            active boolean DEFAULT 'true' NOT NULL,
            trigger text NOT NULL,
            condition jsonb,
            delay_s integer DEFAULT '0' NOT NULL,
            steps jsonb NOT NULL,
            version integer DEFAULT '1' NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            CONSTRAINT pk_automations PRIMARY KEY (code),
            CONSTRAINT ck_automations_delay CHECK (delay_s >= 0)
        )
    """)
    op.execute("CREATE INDEX ix_automations_trigger ON automations (trigger)")
    op.execute("""
        CREATE TABLE automation_runs (
            id uuid NOT NULL,
            automation text NOT NULL,
            event_id uuid NOT NULL,
            person_id uuid NOT NULL,
            status text NOT NULL,
            reason text,
            step integer DEFAULT '0' NOT NULL,
            steps jsonb,
            context jsonb,
            coupon jsonb,
            request_id uuid,
            due_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL,
            ended_at timestamptz,
            CONSTRAINT pk_automation_runs PRIMARY KEY (id),
            CONSTRAINT ck_automation_runs_status
                CHECK (status in ('running', 'waiting', 'done', 'skipped', 'cancelled'))
        )
    """)
    op.execute("COMMENT ON COLUMN automation_runs.context IS 'the event''s payload: codes, ids and numbers'")
    op.execute("COMMENT ON COLUMN automation_runs.request_id IS 'of the coupon it waits for'")
    op.execute("CREATE INDEX ix_automation_runs_due ON automation_runs (due_at) WHERE status in ('running', 'waiting')")
    op.execute("CREATE INDEX ix_automation_runs_person_id ON automation_runs (person_id)")
    op.execute("CREATE UNIQUE INDEX uq_automation_runs_event ON automation_runs (automation, event_id)")
    op.execute(
        "CREATE UNIQUE INDEX uq_automation_runs_request ON automation_runs (request_id) WHERE request_id IS NOT NULL"
    )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")


TABLES = (
    "message_decisions", "delivery_reports", "in_flight", "messages", "inbound_messages", "provider_lines",
    "provider_accounts", "automation_runs", "automations", "templates", "suppressions", "promotion_pauses",
    "erased_people", "state.contact_aliases", "state.contact_cards",
)  # fmt: skip
