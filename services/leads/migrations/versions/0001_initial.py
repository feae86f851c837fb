"""Persons, agents, leads and touches; the copy of customers' cards."""

from __future__ import annotations

from alembic import op

revision = "leads_0001"
down_revision = None
branch_labels = ("leads",)
depends_on = ("shared_0001",)


def upgrade() -> None:
    op.execute("""
        CREATE TABLE persons (
            id uuid NOT NULL,
            first_name text,
            last_name text,
            name_folded text NOT NULL DEFAULT '',
            phone text,
            phone_typed text,
            phone_shared boolean NOT NULL DEFAULT false,
            email text,
            province text,
            city text,
            accepts_promotional boolean NOT NULL DEFAULT false,
            promotional_consent_at timestamptz,
            identifies boolean NOT NULL DEFAULT true,
            erased_at timestamptz,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_persons PRIMARY KEY (id)
        )
    """)
    op.execute("CREATE UNIQUE INDEX uq_persons_phone ON persons (phone) WHERE identifies AND NOT phone_shared")
    op.execute("CREATE UNIQUE INDEX uq_persons_email ON persons (email) WHERE phone IS NULL AND identifies")
    op.execute("CREATE INDEX ix_persons_phone ON persons (phone)")
    op.execute("CREATE INDEX ix_persons_email ON persons (email)")
    op.execute(
        "CREATE INDEX ix_persons_name ON persons USING gin (array_to_tsvector(string_to_array(name_folded, ' '::text)))"
    )
    op.execute("""
        CREATE TABLE aliases (
            alias_id uuid NOT NULL,
            person_id uuid NOT NULL,
            CONSTRAINT pk_aliases PRIMARY KEY (alias_id)
        )
    """)
    op.execute("CREATE INDEX ix_aliases_person_id ON aliases (person_id)")
    op.execute("""
        CREATE TABLE state.contacts (
            person_id uuid NOT NULL,
            version bigint NOT NULL DEFAULT 0,
            phones text[] NOT NULL DEFAULT '{}',
            shared_phones text[] NOT NULL DEFAULT '{}',
            emails text[] NOT NULL DEFAULT '{}',
            aliases uuid[] NOT NULL DEFAULT '{}',
            erased boolean NOT NULL DEFAULT false,
            CONSTRAINT pk_contacts PRIMARY KEY (person_id)
        )
    """)
    for column in ("phones", "shared_phones", "emails"):
        op.execute(f"CREATE INDEX ix_contacts_{column} ON state.contacts USING gin ({column}) WITH (fastupdate = off)")
    op.execute("""
        CREATE TABLE agents (
            id uuid NOT NULL,
            first_name text,
            last_name text,
            phone text,
            email text,
            role text NOT NULL DEFAULT 'agent',
            team text,
            manager_id uuid,
            capacity integer NOT NULL DEFAULT 50,
            on_duty boolean NOT NULL DEFAULT true,
            active boolean NOT NULL DEFAULT true,
            open_leads integer NOT NULL DEFAULT 0,
            last_assigned_at timestamptz,
            version integer NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            CONSTRAINT pk_agents PRIMARY KEY (id),
            CONSTRAINT fk_agents_manager_id_agents FOREIGN KEY (manager_id) REFERENCES agents (id),
            CONSTRAINT ck_agents_role CHECK (role IN ('agent', 'manager')),
            CONSTRAINT ck_agents_capacity CHECK (capacity > 0),
            CONSTRAINT ck_agents_open_leads CHECK (open_leads >= 0)
        )
    """)
    op.execute("CREATE INDEX ix_agents_created_at ON agents (created_at, id)")
    op.execute("""
        CREATE TABLE leads (
            id uuid NOT NULL,
            person_id uuid NOT NULL,
            slot text NOT NULL DEFAULT '',
            status text NOT NULL DEFAULT 'new',
            funnel_stage text NOT NULL DEFAULT 'awareness',
            kind text NOT NULL,
            source text NOT NULL,
            direction text NOT NULL,
            awareness text,
            campaign text,
            product text,
            cost_minor bigint,
            expected_amount_minor bigint,
            currency text NOT NULL DEFAULT 'IRR',
            note text,
            referrer_person_id uuid,
            possible_duplicate_of uuid,
            agent_id uuid,
            captured_at timestamptz NOT NULL,
            recaptures integer NOT NULL DEFAULT 0,
            question_asked_at timestamptz,
            response_due_at timestamptz,
            overdue_at timestamptz,
            answered_at timestamptz,
            response_s integer,
            answered_in_time boolean,
            qualified_at timestamptz,
            converted_at timestamptz,
            converted_by text,
            disqualified_at timestamptz,
            disqualified_for text,
            competitor text,
            version integer NOT NULL DEFAULT 1,
            updated_at timestamptz NOT NULL,
            CONSTRAINT pk_leads PRIMARY KEY (id),
            CONSTRAINT fk_leads_person_id_persons FOREIGN KEY (person_id) REFERENCES persons (id),
            CONSTRAINT fk_leads_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents (id),
            CONSTRAINT ck_leads_status
                CHECK (status IN ('new', 'working', 'qualified', 'converted', 'disqualified')),
            CONSTRAINT ck_leads_funnel_stage CHECK (funnel_stage IN ('awareness', 'consideration', 'decision')),
            CONSTRAINT ck_leads_question CHECK ((question_asked_at IS NULL) = (response_due_at IS NULL)),
            CONSTRAINT ck_leads_overdue CHECK (overdue_at IS NULL OR response_due_at IS NOT NULL)
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX uq_leads_open ON leads (person_id, slot)
        WHERE status IN ('new', 'working', 'qualified')
    """)
    op.execute("CREATE INDEX ix_leads_person_id ON leads (person_id)")
    op.execute("CREATE INDEX ix_leads_captured_at ON leads (captured_at, id)")
    for column in ("status", "agent_id", "source", "product"):
        op.execute(f"CREATE INDEX ix_leads_{column} ON leads ({column}, captured_at, id)")
    op.execute("CREATE INDEX ix_leads_overdue ON leads (captured_at, id) WHERE overdue_at IS NOT NULL")
    op.execute("""
        CREATE INDEX ix_leads_due ON leads (response_due_at)
        WHERE question_asked_at IS NOT NULL AND overdue_at IS NULL
    """)
    op.execute("""
        CREATE INDEX ix_leads_open ON leads (agent_id, captured_at)
        WHERE status IN ('new', 'working', 'qualified')
    """)
    op.execute("""
        CREATE TABLE touches (
            id uuid NOT NULL,
            lead_id uuid NOT NULL,
            kind text NOT NULL,
            direction text NOT NULL,
            channel text NOT NULL,
            by text NOT NULL,
            agent_id uuid,
            reached boolean NOT NULL DEFAULT true,
            source text,
            campaign text,
            note text,
            asks boolean NOT NULL DEFAULT false,
            answers boolean NOT NULL DEFAULT false,
            question_asked_at timestamptz,
            response_due_at timestamptz,
            response_s integer,
            in_time boolean,
            occurred_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            CONSTRAINT pk_touches PRIMARY KEY (id),
            CONSTRAINT fk_touches_lead_id_leads FOREIGN KEY (lead_id) REFERENCES leads (id)
        )
    """)
    op.execute("CREATE INDEX ix_touches_lead_id ON touches (lead_id, recorded_at, id)")
