"""One call that tries the lock of an `Idempotency-Key` and looks the key up."""

from __future__ import annotations

from alembic import op

revision = "shared_0003"
down_revision = "shared_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 0: somebody else is at work on the key, 1: it is new, 2: it is known. Each statement of the function takes a
    # snapshot of its own, so the look-up sees what the last holder of the lock committed.
    op.execute("""
        CREATE FUNCTION claim_idempotency_key(lock bigint, subject text, route text, key text) RETURNS integer
        LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT pg_try_advisory_xact_lock($1) THEN
                RETURN 0;
            END IF;
            PERFORM FROM idempotency_keys AS kept WHERE kept.subject = $2 AND kept.route = $3 AND kept.key = $4;
            RETURN CASE WHEN FOUND THEN 2 ELSE 1 END;
        END
        $$
    """)
