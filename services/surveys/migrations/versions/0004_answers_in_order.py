"""What an answer is about, beside it: answers about a touchpoint, a product or an agent are listed in their order.

It is what their invitation says, and stays. The version before, which runs beside this one for a while, writes answers
without it; a trigger adds it to those. It is of no use once that version runs nowhere any more.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import op

from shared.indexes import add_index

revision = "surveys_0004"
down_revision = "surveys_0003"
branch_labels = None
depends_on = None

ABOUT = ("touchpoint", "product", "agent_id")

TELL = """
CREATE OR REPLACE FUNCTION tell_what_answer_is_about() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT touchpoint, product, agent_id INTO NEW.touchpoint, NEW.product, NEW.agent_id
    FROM invitations WHERE id = NEW.invitation_id;
    RETURN NEW;
END
$$
"""
WHERE_MISSING = """
CREATE OR REPLACE TRIGGER tell_what_answer_is_about BEFORE INSERT ON answers
FOR EACH ROW WHEN (num_nonnulls(NEW.touchpoint, NEW.product, NEW.agent_id) = 0)
EXECUTE FUNCTION tell_what_answer_is_about()
"""

FILL = """
UPDATE answers SET (touchpoint, product, agent_id) = (asked.touchpoint, asked.product, asked.agent_id)
FROM invitations AS asked
WHERE asked.id = answers.invitation_id AND num_nonnulls(asked.touchpoint, asked.product, asked.agent_id) > 0
  AND num_nonnulls(answers.touchpoint, answers.product, answers.agent_id) = 0 AND answers.id
"""
FILL_PAGE = f"""
WITH mine AS MATERIALIZED (
    SELECT id FROM answers WHERE id > :last ORDER BY id LIMIT 1000
), free AS MATERIALIZED (
    SELECT id FROM answers WHERE id IN (SELECT id FROM mine) FOR UPDATE SKIP LOCKED
), told AS (
    {FILL} IN (SELECT id FROM free)
)
SELECT id FROM mine ORDER BY id DESC LIMIT 1
"""
"""A page, committed by itself. What somebody else has locked is left out, as they may wait for another of the page."""

LEFT_OUT = """
SELECT answers.id FROM answers JOIN invitations AS asked ON asked.id = answers.invitation_id
WHERE num_nonnulls(asked.touchpoint, asked.product, asked.agent_id) > 0
  AND num_nonnulls(answers.touchpoint, answers.product, answers.agent_id) = 0
"""
FILL_ONE = f"{FILL} = :id"
"""Waiting for one answer while none is held, which closes no circle."""


def upgrade() -> None:
    for column, kind in zip(ABOUT, ("text", "text", "uuid"), strict=True):
        op.execute(f"ALTER TABLE answers ADD COLUMN IF NOT EXISTS {column} {kind}")
    op.execute(TELL)
    op.execute(WHERE_MISSING)
    with op.get_context().autocommit_block():
        last: UUID | None = UUID(int=0)
        while last is not None:
            last = op.get_bind().scalar(sa.text(FILL_PAGE), {"last": last})
        for left_out in op.get_bind().scalars(sa.text(LEFT_OUT)).all():
            op.get_bind().execute(sa.text(FILL_ONE), {"id": left_out})
    for column in ABOUT:
        add_index(
            f"ix_answers_{column}_answered_at_id", f"answers ({column}, answered_at, id) WHERE {column} IS NOT NULL"
        )
    with op.get_context().autocommit_block():
        for column in ABOUT:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS ix_invitations_{column}")


def downgrade() -> None:
    for column in ABOUT:
        op.execute(f"CREATE INDEX ix_invitations_{column} ON invitations ({column}) WHERE {column} IS NOT NULL")
    for column in ABOUT:
        op.execute(f"DROP INDEX ix_answers_{column}_answered_at_id")
    op.execute("DROP TRIGGER tell_what_answer_is_about ON answers")
    op.execute("DROP FUNCTION tell_what_answer_is_about")
    for column in ABOUT:
        op.execute(f"ALTER TABLE answers DROP COLUMN {column}")
