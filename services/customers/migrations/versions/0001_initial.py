"""Customers, who is who, purchases, classifications, coupons and tickets; the copies of leads, agents and answers."""

from __future__ import annotations

from alembic import op

revision = "customers_0001"
down_revision = None
branch_labels = ("customers",)
depends_on = ("shared_0001",)


def upgrade() -> None:
    _numbers_and_names()
    _aliases_and_erased_ids()
    _leads()
    _customers()
    _classifications()
    _purchases()
    _lines_and_refunds()
    _coupons()
    _tickets()
    _answers_and_agents()


def _numbers_and_names() -> None:
    op.execute("""
        CREATE TABLE phone_numbers (
            phone text NOT NULL,
            person_id uuid NOT NULL,
            shared boolean DEFAULT false NOT NULL,
            place bigint DEFAULT '0' NOT NULL,
            CONSTRAINT pk_phone_numbers PRIMARY KEY (phone, person_id)
        )
    """)
    op.execute("CREATE INDEX ix_phone_numbers_person_id ON phone_numbers (person_id)")
    op.execute("CREATE UNIQUE INDEX uq_phone_numbers_phone ON phone_numbers (phone) WHERE NOT shared")
    op.execute("""
        CREATE TABLE external_ids (
            source text NOT NULL,
            external_id text NOT NULL,
            person_id uuid NOT NULL,
            CONSTRAINT pk_external_ids PRIMARY KEY (source, external_id)
        )
    """)
    op.execute("CREATE INDEX ix_external_ids_person_id ON external_ids (person_id)")


def _aliases_and_erased_ids() -> None:
    op.execute("""
        CREATE TABLE aliases (
            alias_id uuid NOT NULL,
            person_id uuid NOT NULL,
            merged_at timestamptz NOT NULL,
            CONSTRAINT pk_aliases PRIMARY KEY (alias_id)
        )
    """)
    op.execute("CREATE INDEX ix_aliases_person_id ON aliases (person_id)")
    op.execute("""
        CREATE TABLE erased_people (
            person_id uuid NOT NULL,
            erased_at timestamptz NOT NULL,
            CONSTRAINT pk_erased_people PRIMARY KEY (person_id)
        )
    """)


def _leads() -> None:
    op.execute("""
        CREATE TABLE state.lead_contacts (
            person_id uuid NOT NULL,
            version bigint NOT NULL,
            card jsonb,
            CONSTRAINT pk_lead_contacts PRIMARY KEY (person_id)
        )
    """)
    op.execute("""
        CREATE TABLE state.lead_phones (
            phone text NOT NULL,
            person_id uuid NOT NULL,
            CONSTRAINT pk_lead_phones PRIMARY KEY (phone, person_id)
        )
    """)
    op.execute("CREATE INDEX ix_lead_phones_person_id ON state.lead_phones (person_id)")


def _customers() -> None:
    op.execute("""
        CREATE TABLE customers (
            id uuid NOT NULL,
            kind text DEFAULT 'person' NOT NULL,
            origin text NOT NULL,
            lead_id uuid,
            source text,
            first_name text,
            last_name text,
            name_key text,
            emails text[] DEFAULT '{}' NOT NULL,
            locale text DEFAULT 'fa' NOT NULL,
            time_zone text DEFAULT 'Asia/Tehran' NOT NULL,
            province text,
            city text,
            birth_date date,
            birth_calendar text,
            gender text,
            accepts_service boolean DEFAULT true NOT NULL,
            accepts_promotional boolean DEFAULT false NOT NULL,
            consent_source text,
            consent_at timestamptz,
            hand_types text[] DEFAULT '{}' NOT NULL,
            engaged boolean DEFAULT false NOT NULL,
            version bigint DEFAULT '1' NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            CONSTRAINT pk_customers PRIMARY KEY (id),
            CONSTRAINT ck_customers_kind CHECK (kind IN ('person', 'group', 'organisation')),
            CONSTRAINT ck_customers_origin CHECK (origin IN ('conversion', 'api', 'import', 'purchase')),
            CONSTRAINT ck_customers_gender CHECK (gender IN ('female', 'male', 'other')),
            CONSTRAINT ck_customers_birth_calendar CHECK (birth_calendar IN ('gregorian', 'jalali')),
            CONSTRAINT ck_customers_birth_date_has_calendar CHECK ((birth_date IS NULL) = (birth_calendar IS NULL))
        )
    """)
    op.execute("CREATE INDEX ix_customers_created_at_id ON customers (created_at, id)")
    op.execute("CREATE INDEX ix_customers_name_key ON customers (name_key text_pattern_ops)")
    op.execute("CREATE INDEX ix_customers_province_created_at_id ON customers (province, created_at, id)")


def _classifications() -> None:
    op.execute("""
        CREATE TABLE classifications (
            person_id uuid NOT NULL,
            types text[] DEFAULT '{}' NOT NULL,
            reasons jsonb DEFAULT '{}' NOT NULL,
            stage text DEFAULT 'reach' NOT NULL,
            stage_reason text DEFAULT 'known' NOT NULL,
            classified_at timestamptz,
            due_at timestamptz DEFAULT '-infinity' NOT NULL,
            CONSTRAINT pk_classifications PRIMARY KEY (person_id)
        ) WITH (fillfactor = 85)
    """)
    op.execute("CREATE INDEX ix_classifications_due_at ON classifications (due_at)")
    op.execute("CREATE INDEX ix_classifications_stage ON classifications (stage)")
    op.execute("CREATE INDEX ix_classifications_types ON classifications USING gin (types)")
    op.execute("""
        CREATE TABLE state.attitudes (
            person_id uuid NOT NULL,
            category text NOT NULL,
            occurred_at timestamptz NOT NULL,
            version bigint NOT NULL,
            CONSTRAINT pk_attitudes PRIMARY KEY (person_id)
        )
    """)


def _purchases() -> None:
    op.execute("""
        CREATE TABLE purchases (
            id uuid NOT NULL,
            person_id uuid NOT NULL,
            source text,
            external_id text,
            fingerprint bytea NOT NULL,
            amount_minor bigint NOT NULL,
            discount_minor bigint DEFAULT '0' NOT NULL,
            discount_origin text,
            currency text NOT NULL,
            refunded_minor bigint DEFAULT '0' NOT NULL,
            coupon_id uuid,
            intermediary_id uuid,
            agent_id uuid,
            channel text,
            occurred_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            cancelled_at timestamptz,
            CONSTRAINT pk_purchases PRIMARY KEY (id),
            CONSTRAINT ck_purchases_amount_minor CHECK (amount_minor >= 0),
            CONSTRAINT ck_purchases_discount_minor CHECK (discount_minor BETWEEN 0 AND amount_minor),
            CONSTRAINT ck_purchases_refunded_minor CHECK (refunded_minor BETWEEN 0 AND amount_minor - discount_minor),
            CONSTRAINT ck_purchases_discount_origin CHECK (discount_origin IN ('promotion', 'coupon', 'reward'))
        )
    """)
    op.execute("CREATE INDEX ix_purchases_occurred_at_id ON purchases (occurred_at, id)")
    op.execute("CREATE INDEX ix_purchases_person_id_occurred_at_id ON purchases (person_id, occurred_at, id)")
    op.execute("""
        CREATE UNIQUE INDEX uq_purchases_source_external_id
        ON purchases (source, external_id) WHERE external_id IS NOT NULL
    """)


def _lines_and_refunds() -> None:
    op.execute("""
        CREATE TABLE purchase_lines (
            purchase_id uuid NOT NULL,
            place bigint NOT NULL,
            product text NOT NULL,
            category text,
            quantity numeric(18, 6) NOT NULL,
            amount_minor bigint NOT NULL,
            CONSTRAINT pk_purchase_lines PRIMARY KEY (purchase_id, place),
            CONSTRAINT ck_purchase_lines_quantity CHECK (quantity > 0),
            CONSTRAINT ck_purchase_lines_amount_minor CHECK (amount_minor >= 0)
        )
    """)
    op.execute("CREATE INDEX ix_purchase_lines_product_purchase_id ON purchase_lines (product, purchase_id)")
    op.execute("""
        CREATE TABLE refunds (
            id uuid NOT NULL,
            purchase_id uuid NOT NULL,
            amount_minor bigint NOT NULL,
            occurred_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            CONSTRAINT pk_refunds PRIMARY KEY (id),
            CONSTRAINT ck_refunds_amount_minor CHECK (amount_minor > 0),
            CONSTRAINT fk_refunds_purchase_id_purchases FOREIGN KEY(purchase_id) REFERENCES purchases (id)
        )
    """)
    op.execute("CREATE INDEX ix_refunds_purchase_id ON refunds (purchase_id)")


def _coupons() -> None:
    op.execute("""
        CREATE TABLE coupons (
            id uuid NOT NULL,
            person_id uuid NOT NULL,
            code text NOT NULL,
            discount_percent bigint,
            discount_minor bigint,
            currency text NOT NULL,
            reason text NOT NULL,
            request_id uuid,
            issued_at timestamptz NOT NULL,
            valid_until timestamptz NOT NULL,
            redeemed_at timestamptz,
            purchase_id uuid,
            CONSTRAINT pk_coupons PRIMARY KEY (id),
            CONSTRAINT ck_coupons_one_discount CHECK (num_nonnulls(discount_percent, discount_minor) = 1),
            CONSTRAINT ck_coupons_discount_percent CHECK (discount_percent BETWEEN 1 AND 100),
            CONSTRAINT ck_coupons_discount_minor CHECK (discount_minor > 0),
            CONSTRAINT ck_coupons_redeemed_with_purchase CHECK ((redeemed_at IS NULL) = (purchase_id IS NULL))
        )
    """)
    op.execute("CREATE INDEX ix_coupons_issued_at_id ON coupons (issued_at, id)")
    op.execute("CREATE INDEX ix_coupons_person_id_issued_at_id ON coupons (person_id, issued_at, id)")
    op.execute("CREATE UNIQUE INDEX uq_coupons_code ON coupons (code)")
    op.execute("CREATE UNIQUE INDEX uq_coupons_request_id ON coupons (request_id)")


def _tickets() -> None:
    op.execute("""
        CREATE TABLE tickets (
            id uuid NOT NULL,
            person_id uuid NOT NULL,
            kind text NOT NULL,
            priority text DEFAULT 'normal' NOT NULL,
            status text DEFAULT 'open' NOT NULL,
            subject text,
            text text,
            product text,
            channel text,
            purchase_id uuid,
            answer_id uuid,
            invitation_id uuid,
            for_manager boolean DEFAULT false NOT NULL,
            agent_id uuid,
            cause text,
            opened_at timestamptz NOT NULL,
            first_answered_at timestamptz,
            resolved_at timestamptz,
            reopened bigint DEFAULT '0' NOT NULL,
            CONSTRAINT pk_tickets PRIMARY KEY (id),
            CONSTRAINT ck_tickets_kind CHECK (kind IN ('question', 'problem', 'request', 'complaint')),
            CONSTRAINT ck_tickets_priority CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
            CONSTRAINT ck_tickets_status CHECK (status IN ('open', 'answered', 'resolved')),
            CONSTRAINT ck_tickets_cause CHECK (
                cause IN ('product', 'delivery', 'staff', 'customer_error', 'price', 'other')
            )
        )
    """)
    op.execute("CREATE INDEX ix_tickets_agent_id ON tickets (agent_id) WHERE status <> 'resolved'")
    op.execute("CREATE INDEX ix_tickets_opened_at_id ON tickets (opened_at, id)")
    op.execute("CREATE INDEX ix_tickets_person_id_opened_at_id ON tickets (person_id, opened_at, id)")
    op.execute("CREATE INDEX ix_tickets_product_opened_at_id ON tickets (product, opened_at, id)")
    op.execute("CREATE INDEX ix_tickets_status_opened_at_id ON tickets (status, opened_at, id)")
    op.execute("CREATE UNIQUE INDEX uq_tickets_invitation_id ON tickets (invitation_id)")


def _answers_and_agents() -> None:
    op.execute("""
        CREATE TABLE ticket_answers (
            id uuid NOT NULL,
            ticket_id uuid NOT NULL,
            agent_id uuid,
            text text,
            answered_at timestamptz NOT NULL,
            CONSTRAINT pk_ticket_answers PRIMARY KEY (id),
            CONSTRAINT fk_ticket_answers_ticket_id_tickets FOREIGN KEY(ticket_id) REFERENCES tickets (id)
        )
    """)
    op.execute("CREATE INDEX ix_ticket_answers_ticket_id ON ticket_answers (ticket_id)")
    op.execute("""
        CREATE TABLE state.agents (
            agent_id uuid NOT NULL,
            role text NOT NULL,
            team text,
            manager_id uuid,
            on_duty boolean DEFAULT true NOT NULL,
            active boolean DEFAULT true NOT NULL,
            version bigint NOT NULL,
            CONSTRAINT pk_agents PRIMARY KEY (agent_id)
        )
    """)
