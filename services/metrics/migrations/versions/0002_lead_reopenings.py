"""When leads were taken up again, and by when the question that waits since then is to be answered."""

from __future__ import annotations

from alembic import op

revision = "metrics_0002"
down_revision = "metrics_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE state.lead_reopenings (
            event_id uuid NOT NULL,
            lead_id uuid NOT NULL,
            asked_at timestamptz NOT NULL,
            due_at timestamptz NOT NULL,
            CONSTRAINT pk_lead_reopenings PRIMARY KEY (event_id)
        )
    """)
    op.execute("CREATE INDEX ix_lead_reopenings_lead_id ON state.lead_reopenings (lead_id)")
    op.execute(
        "COMMENT ON TABLE state.lead_outcomes IS 'lead.qualified, lead.disqualified, lead.converted, lead.merged'"
    )
    op.execute("COMMENT ON TABLE state.lead_reopenings IS 'lead.reopened, where somebody waits for an answer anew'")


def downgrade() -> None:
    op.execute("DROP TABLE state.lead_reopenings")
