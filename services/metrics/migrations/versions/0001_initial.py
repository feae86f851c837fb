"""Facts, what of them is in the figures, and the kept counts."""

from __future__ import annotations

from alembic import op

revision = "metrics_0001"
down_revision = None
branch_labels = ("metrics",)
depends_on = ("shared_0001",)


def upgrade() -> None:
    purchases()
    leads()
    surveys()
    folding()
    counted()
    kept()


def purchases() -> None:
    op.execute("""
        CREATE TABLE state.purchases (
            purchase_id uuid NOT NULL,
            person_id uuid NOT NULL,
            occurred_at timestamptz NOT NULL,
            amount_minor bigint NOT NULL,
            discount_minor bigint NOT NULL,
            currency text NOT NULL,
            channel text,
            CONSTRAINT pk_purchases PRIMARY KEY (purchase_id)
        )
    """)
    op.execute("CREATE INDEX ix_purchases_person_id ON state.purchases (person_id)")
    comment("state.purchases", "purchase.recorded")
    op.execute("""
        CREATE TABLE state.refunds (
            refund_id uuid NOT NULL,
            purchase_id uuid NOT NULL,
            amount_minor bigint NOT NULL,
            currency text NOT NULL,
            CONSTRAINT pk_refunds PRIMARY KEY (refund_id)
        )
    """)
    op.execute("CREATE INDEX ix_refunds_purchase_id ON state.refunds (purchase_id)")
    comment("state.refunds", "purchase.refunded; may come before its purchase")
    op.execute("""
        CREATE TABLE state.cancellations (
            purchase_id uuid NOT NULL,
            CONSTRAINT pk_cancellations PRIMARY KEY (purchase_id)
        )
    """)
    comment("state.cancellations", "purchase.cancelled; may come before its purchase")
    op.execute("""
        CREATE TABLE state.merges (
            person_id uuid NOT NULL,
            other_id uuid NOT NULL,
            CONSTRAINT pk_merges PRIMARY KEY (person_id, other_id)
        )
    """)
    comment(
        "state.merges",
        "customer.merged, a row for either direction: whoever is linked, however far, is one person",
    )


def leads() -> None:
    op.execute("""
        CREATE TABLE state.leads (
            lead_id uuid NOT NULL,
            person_id uuid NOT NULL,
            captured_at timestamptz NOT NULL,
            source text NOT NULL,
            campaign text,
            product text,
            awareness text,
            agent_id uuid,
            due_at timestamptz,
            born_answered boolean NOT NULL,
            CONSTRAINT pk_leads PRIMARY KEY (lead_id)
        )
    """)
    op.execute("CREATE INDEX ix_leads_person_id ON state.leads (person_id)")
    comment("state.leads", "lead.captured")
    op.execute("""
        CREATE TABLE state.lead_answers (
            touch_id uuid NOT NULL,
            lead_id uuid NOT NULL,
            asked_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            in_time boolean,
            agent_id uuid,
            version bigint NOT NULL,
            CONSTRAINT pk_lead_answers PRIMARY KEY (touch_id)
        )
    """)
    op.execute("CREATE INDEX ix_lead_answers_lead_id ON state.lead_answers (lead_id)")
    comment("state.lead_answers", "lead.touched, where it answered a question")
    op.execute("""
        CREATE TABLE state.lead_owners (
            event_id uuid NOT NULL,
            lead_id uuid NOT NULL,
            agent_id uuid,
            version bigint NOT NULL,
            CONSTRAINT pk_lead_owners PRIMARY KEY (event_id)
        )
    """)
    op.execute("CREATE INDEX ix_lead_owners_lead_id ON state.lead_owners (lead_id)")
    comment("state.lead_owners", "lead.assigned; the highest version is the owner")
    op.execute("""
        CREATE TABLE state.lead_updates (
            event_id uuid NOT NULL,
            lead_id uuid NOT NULL,
            campaign text,
            product text,
            awareness text,
            version bigint NOT NULL,
            CONSTRAINT pk_lead_updates PRIMARY KEY (event_id)
        )
    """)
    op.execute("CREATE INDEX ix_lead_updates_lead_id ON state.lead_updates (lead_id)")
    comment("state.lead_updates", "lead.updated; the highest version says what the dimensions are")
    op.execute("""
        CREATE TABLE state.lead_outcomes (
            event_id uuid NOT NULL,
            lead_id uuid NOT NULL,
            outcome text NOT NULL,
            occurred_at timestamptz NOT NULL,
            CONSTRAINT pk_lead_outcomes PRIMARY KEY (event_id)
        )
    """)
    op.execute("CREATE INDEX ix_lead_outcomes_lead_id ON state.lead_outcomes (lead_id)")
    comment("state.lead_outcomes", "lead.qualified, lead.disqualified, lead.converted")


def surveys() -> None:
    asked = (
        "kind text NOT NULL, scale text NOT NULL, survey text NOT NULL, touchpoint text, product text, agent_id uuid"
    )
    op.execute(f"""
        CREATE TABLE state.invitations (
            invitation_id uuid NOT NULL,
            person_id uuid NOT NULL,
            invited_at timestamptz NOT NULL,
            channel text NOT NULL,
            {asked},
            CONSTRAINT pk_invitations PRIMARY KEY (invitation_id)
        )
    """)
    op.execute("CREATE INDEX ix_invitations_person_id ON state.invitations (person_id)")
    comment("state.invitations", "survey.invited")
    op.execute("""
        CREATE TABLE state.deliveries (
            invitation_id uuid NOT NULL,
            delivered_at timestamptz NOT NULL,
            CONSTRAINT pk_deliveries PRIMARY KEY (invitation_id)
        )
    """)
    comment("state.deliveries", "message.delivered of an invitation, the first; may come before its invitation")
    op.execute(f"""
        CREATE TABLE state.answers (
            event_id uuid NOT NULL,
            invitation_id uuid NOT NULL,
            person_id uuid NOT NULL,
            occurred_at timestamptz NOT NULL,
            revision integer NOT NULL,
            version bigint NOT NULL,
            {asked},
            value integer,
            category text NOT NULL,
            CONSTRAINT pk_answers PRIMARY KEY (event_id)
        )
    """)
    op.execute("CREATE INDEX ix_answers_person_id ON state.answers (person_id)")
    op.execute("CREATE INDEX ix_answers_invitation_id ON state.answers (invitation_id)")
    comment("state.answers", "survey.answered; of one invitation the highest revision counts")


def folding() -> None:
    op.execute("""
        CREATE TABLE state.dirty (
            seq bigint GENERATED ALWAYS AS IDENTITY,
            person_id uuid NOT NULL,
            CONSTRAINT pk_dirty PRIMARY KEY (seq)
        )
    """)
    comment(
        "state.dirty",
        "Whom facts came in about that are not in the figures yet; written with the facts, emptied by the folder.",
    )
    op.execute("""
        CREATE TABLE state.folded_under (
            id smallint NOT NULL,
            time_zone text NOT NULL,
            activity_days integer NOT NULL,
            turn bigint NOT NULL,
            CONSTRAINT pk_folded_under PRIMARY KEY (id),
            CONSTRAINT ck_folded_under_one_row CHECK (id = 1)
        )
    """)
    comment(
        "state.folded_under",
        "The settings that the counts were made with. Its row lock lets one folder work at a time.",
    )
    op.execute("""
        CREATE TABLE state.calendar_days (
            day date NOT NULL,
            starts_at timestamptz NOT NULL,
            day_number integer NOT NULL,
            week_gregorian integer NOT NULL,
            week_jalali integer NOT NULL,
            month_gregorian integer NOT NULL,
            month_jalali integer NOT NULL,
            quarter_gregorian integer NOT NULL,
            quarter_jalali integer NOT NULL,
            year_gregorian integer NOT NULL,
            year_jalali integer NOT NULL,
            CONSTRAINT pk_calendar_days PRIMARY KEY (day)
        )
    """)
    op.execute("CREATE UNIQUE INDEX ix_calendar_days_starts_at ON state.calendar_days (starts_at)")
    comment(
        "state.calendar_days",
        "When each day begins in the deployment's zone, and the number of every period that it lies in.",
    )


def counted() -> None:
    op.execute("""
        CREATE TABLE state.counted_purchases (
            purchase_id uuid NOT NULL,
            person_id uuid NOT NULL,
            occurred_at timestamptz NOT NULL,
            day date NOT NULL,
            net_minor bigint NOT NULL,
            refunded_minor bigint NOT NULL,
            currency text NOT NULL,
            channel text NOT NULL,
            CONSTRAINT pk_counted_purchases PRIMARY KEY (purchase_id)
        )
    """)
    op.execute("CREATE INDEX ix_counted_purchases_person_id ON state.counted_purchases (person_id, occurred_at)")
    op.execute("CREATE INDEX ix_counted_purchases_occurred_at ON state.counted_purchases (occurred_at)")
    comment(
        "state.counted_purchases",
        "Purchases as they are in the figures: of the person after merges, less discount, cancelled ones left out.",
    )
    op.execute("""
        CREATE TABLE state.activity_spans (
            person_id uuid NOT NULL,
            span tstzrange NOT NULL,
            CONSTRAINT pk_activity_spans PRIMARY KEY (person_id, span)
        )
    """)
    op.execute("CREATE INDEX ix_activity_spans_span ON state.activity_spans USING gist (span)")
    comment("state.activity_spans", "When each person was active; spans of one person neither touch nor overlap.")
    op.execute("""
        CREATE TABLE state.counted_leads (
            lead_id uuid NOT NULL,
            person_id uuid NOT NULL,
            day date NOT NULL,
            source text NOT NULL,
            campaign text NOT NULL,
            product text NOT NULL,
            awareness text NOT NULL,
            agent text NOT NULL,
            due_at timestamptz,
            response text NOT NULL,
            qualified boolean NOT NULL,
            won boolean NOT NULL,
            bought_30d boolean NOT NULL,
            bought_90d boolean NOT NULL,
            CONSTRAINT pk_counted_leads PRIMARY KEY (lead_id)
        )
    """)
    op.execute("CREATE INDEX ix_counted_leads_person_id ON state.counted_leads (person_id)")
    op.execute("CREATE INDEX ix_counted_leads_due_at ON state.counted_leads (due_at) WHERE response = 'unanswered'")
    comment("state.counted_leads", "Leads as they are in the figures.")
    counted_surveys()


def counted_surveys() -> None:
    dimensions = """scope text NOT NULL, survey text NOT NULL, touchpoint text NOT NULL, product text NOT NULL,
            agent text NOT NULL"""
    op.execute(f"""
        CREATE TABLE state.counted_invitations (
            invitation_id uuid NOT NULL,
            person_id uuid NOT NULL,
            day date NOT NULL,
            {dimensions},
            answered boolean NOT NULL,
            CONSTRAINT pk_counted_invitations PRIMARY KEY (invitation_id)
        )
    """)
    op.execute("CREATE INDEX ix_counted_invitations_person_id ON state.counted_invitations (person_id)")
    comment("state.counted_invitations", "Delivered invitations as they are in the figures.")
    op.execute(f"""
        CREATE TABLE state.counted_answers (
            invitation_id uuid NOT NULL,
            person_id uuid NOT NULL,
            day date NOT NULL,
            {dimensions},
            category text NOT NULL,
            value integer,
            CONSTRAINT pk_counted_answers PRIMARY KEY (invitation_id)
        )
    """)
    op.execute("CREATE INDEX ix_counted_answers_person_id ON state.counted_answers (person_id)")
    comment("state.counted_answers", "Answers as they are in the figures, the last one of each invitation.")


def kept() -> None:
    op.execute("""
        CREATE TABLE state.kept_counts (
            measure text NOT NULL,
            scope text NOT NULL,
            grid text NOT NULL,
            dimension text NOT NULL,
            number integer NOT NULL,
            key text NOT NULL,
            amount numeric NOT NULL,
            CONSTRAINT pk_kept_counts PRIMARY KEY (measure, scope, grid, dimension, number, key)
        )
    """)
    comment(
        "state.kept_counts",
        "Every kept figure is a sum of these: measures within what may be pooled (scope), by period and dimension.",
    )


def comment(table: str, text: str) -> None:
    """Say on the table what it is for."""
    op.execute(f"COMMENT ON TABLE {table} IS '{text.replace(chr(39), chr(39) * 2)}'")
