"""People, surveys, invitations, answers, and the survey after a purchase that ships with Peyvand."""

from __future__ import annotations

from alembic import op

revision = "surveys_0001"
down_revision = None
branch_labels = ("surveys",)
depends_on = ("shared_0001",)


def upgrade() -> None:
    op.execute("""
        CREATE TABLE people (
            person_id uuid NOT NULL,
            merged_into uuid,
            erased_at timestamptz,
            CONSTRAINT pk_people PRIMARY KEY (person_id)
        )
    """)
    op.execute("CREATE INDEX ix_people_merged_into ON people (merged_into)")
    op.execute("""
        CREATE TABLE fatigue (
            id smallint NOT NULL,
            days integer NOT NULL DEFAULT 30,
            exempt_touchpoints text[] NOT NULL DEFAULT '{support,ticket}',
            version integer NOT NULL DEFAULT 1,
            CONSTRAINT pk_fatigue PRIMARY KEY (id),
            CONSTRAINT ck_fatigue_one_row CHECK (id = 1),
            CONSTRAINT ck_fatigue_days CHECK (days BETWEEN 0 AND 3650)
        )
    """)
    op.execute("INSERT INTO fatigue (id) VALUES (1)")
    _surveys()
    _invitations()
    _answers()


def _surveys() -> None:
    op.execute("""
        CREATE TABLE surveys (
            id uuid NOT NULL,
            code text NOT NULL,
            kind text NOT NULL,
            scale text NOT NULL,
            title text NOT NULL,
            channel text NOT NULL DEFAULT 'sms',
            template text,
            touchpoint text,
            sampling_percent integer NOT NULL DEFAULT 100,
            interval_days integer,
            valid_days integer NOT NULL DEFAULT 14,
            active boolean NOT NULL DEFAULT true,
            version integer NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            CONSTRAINT pk_surveys PRIMARY KEY (id),
            CONSTRAINT ck_surveys_kind_and_scale CHECK (
                kind = 'csat' AND scale = '1-3' OR kind = 'csat' AND scale = '1-5' OR kind = 'csat' AND scale = '1-10'
                OR kind = 'nps' AND scale = '0-10' OR kind = 'ces' AND scale = '1-7'
            ),
            CONSTRAINT ck_surveys_channel CHECK (channel IN ('sms', 'email', 'api')),
            CONSTRAINT ck_surveys_sampling_percent CHECK (sampling_percent BETWEEN 0 AND 100),
            CONSTRAINT ck_surveys_interval_days CHECK (interval_days BETWEEN 1 AND 3650),
            CONSTRAINT ck_surveys_valid_days CHECK (valid_days BETWEEN 1 AND 365)
        )
    """)
    op.execute("CREATE UNIQUE INDEX ix_surveys_code ON surveys (code)")
    op.execute("CREATE INDEX ix_surveys_created_at_id ON surveys (created_at, id)")
    op.execute("""
        INSERT INTO surveys (id, code, kind, scale, title, template, touchpoint, created_at, updated_at)
        VALUES (
            '01930000-0000-7000-8000-000000000001', 'csat_purchase', 'csat', '1-5', 'رضایت از خرید',
            'survey_csat', 'purchase', now(), now()
        )
    """)


def _invitations() -> None:
    op.execute("""
        CREATE TABLE invitations (
            id uuid NOT NULL,
            survey_id uuid,
            survey text NOT NULL,
            person_id uuid,
            request_id uuid,
            status text NOT NULL,
            reason text,
            channel text NOT NULL,
            touchpoint text,
            product text,
            agent_id uuid,
            purchase_id uuid,
            requested_at timestamptz NOT NULL,
            expires_at timestamptz,
            delivered_at timestamptz,
            CONSTRAINT pk_invitations PRIMARY KEY (id),
            CONSTRAINT fk_invitations_survey_id_surveys FOREIGN KEY (survey_id) REFERENCES surveys (id),
            CONSTRAINT ck_invitations_status
                CHECK (status IN ('open', 'answered', 'expired', 'cancelled', 'refused')),
            CONSTRAINT ck_invitations_reason CHECK ((status = 'refused') = (reason IS NOT NULL)),
            CONSTRAINT ck_invitations_complete
                CHECK (status = 'refused' OR survey_id IS NOT NULL AND expires_at IS NOT NULL),
            CONSTRAINT ck_invitations_channel CHECK (channel IN ('sms', 'email', 'api'))
        )
    """)
    op.execute("CREATE UNIQUE INDEX ix_invitations_request_id ON invitations (request_id)")
    op.execute("CREATE INDEX ix_invitations_requested_at_id ON invitations (requested_at, id)")
    op.execute("CREATE INDEX ix_invitations_person_id_requested_at_id ON invitations (person_id, requested_at, id)")
    op.execute("CREATE INDEX ix_invitations_survey_requested_at_id ON invitations (survey, requested_at, id)")
    op.execute("CREATE INDEX ix_invitations_status_requested_at_id ON invitations (status, requested_at, id)")
    op.execute("CREATE INDEX ix_invitations_survey_id_delivered_at ON invitations (survey_id, delivered_at)")
    op.execute("CREATE INDEX ix_invitations_expires_at ON invitations (expires_at) WHERE status = 'open'")


def _answers() -> None:
    op.execute("""
        CREATE TABLE answers (
            id uuid NOT NULL,
            invitation_id uuid NOT NULL,
            survey_id uuid NOT NULL,
            value integer NOT NULL,
            category text NOT NULL,
            revision integer NOT NULL DEFAULT 1,
            channel text NOT NULL,
            answered_at timestamptz NOT NULL,
            loop_opened_at timestamptz,
            loop_closed_at timestamptz,
            loop_ticket_id uuid,
            CONSTRAINT pk_answers PRIMARY KEY (id),
            CONSTRAINT fk_answers_invitation_id_invitations FOREIGN KEY (invitation_id) REFERENCES invitations (id),
            CONSTRAINT fk_answers_survey_id_surveys FOREIGN KEY (survey_id) REFERENCES surveys (id),
            CONSTRAINT ck_answers_channel CHECK (channel IN ('sms', 'email', 'api'))
        )
    """)
    op.execute("CREATE UNIQUE INDEX ix_answers_invitation_id ON answers (invitation_id)")
    op.execute("CREATE INDEX ix_answers_answered_at_id ON answers (answered_at, id)")
    op.execute("CREATE INDEX ix_answers_survey_id_answered_at_id ON answers (survey_id, answered_at, id)")
    op.execute("CREATE INDEX ix_answers_category_answered_at_id ON answers (category, answered_at, id)")
    op.execute("""
        CREATE INDEX ix_answers_loop_opened_at ON answers (loop_opened_at)
        WHERE loop_opened_at IS NOT NULL AND loop_closed_at IS NULL
    """)
    op.execute("""
        CREATE TABLE replies (
            reply_id uuid NOT NULL,
            invitation_id uuid NOT NULL,
            number text,
            outcome text NOT NULL,
            received_at timestamptz NOT NULL,
            CONSTRAINT pk_replies PRIMARY KEY (reply_id),
            CONSTRAINT fk_replies_invitation_id_invitations FOREIGN KEY (invitation_id) REFERENCES invitations (id),
            CONSTRAINT ck_replies_outcome CHECK (outcome IN ('answered', 'off_scale', 'late', 'older'))
        )
    """)
    op.execute("CREATE INDEX ix_replies_invitation_id ON replies (invitation_id)")
