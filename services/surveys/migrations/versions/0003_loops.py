"""Answers by the state of their loop, as they are listed: few are open, and all answers were read to find them."""

from __future__ import annotations

from alembic import op

from shared.indexes import add_index

revision = "surveys_0003"
down_revision = "surveys_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_answers_open_loops",
        "answers (answered_at, id) WHERE loop_opened_at IS NOT NULL AND loop_closed_at IS NULL",
    )
    add_index(
        "ix_answers_closed_loops",
        "answers (answered_at, id) WHERE loop_opened_at IS NOT NULL AND loop_closed_at IS NOT NULL",
    )
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_answers_loop_opened_at")


def downgrade() -> None:
    op.execute("DROP INDEX ix_answers_closed_loops")
    op.execute("DROP INDEX ix_answers_open_loops")
    op.execute(
        "CREATE INDEX ix_answers_loop_opened_at ON answers (loop_opened_at) "
        "WHERE loop_opened_at IS NOT NULL AND loop_closed_at IS NULL"
    )
