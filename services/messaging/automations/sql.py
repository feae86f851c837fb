"""Statements of automations: runs are begun, stepped and ended in batches."""

BEGIN = """
INSERT INTO automation_runs (
    id, automation, event_id, person_id, status, step, steps, context, due_at, created_at
)
SELECT new.id, $1, new.event_id, new.person_id, 'running', new.step, $2::jsonb, new.context, new.due_at, $3
FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::integer[], $8::jsonb[], $9::timestamptz[])
    AS new(id, event_id, person_id, step, context, due_at)
ORDER BY new.event_id
ON CONFLICT (automation, event_id) DO NOTHING
"""

SKIP_STALE = """
UPDATE automation_runs SET status = 'skipped', reason = 'stale', ended_at = $1, steps = NULL, context = NULL
WHERE id IN (
    SELECT id FROM automation_runs
    WHERE status IN ('running', 'waiting') AND due_at < $2
    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
"""

TAKE = """
SELECT run.id, run.automation, run.person_id, run.status, run.step, run.steps::text, run.context::text,
       run.coupon::text,
       automation.active
FROM automation_runs run JOIN automations automation ON automation.code = run.automation
WHERE run.status IN ('running', 'waiting') AND run.due_at BETWEEN $3 AND $1
ORDER BY run.due_at LIMIT $2
FOR UPDATE OF run SKIP LOCKED
"""

STEPPED = """
UPDATE automation_runs run
SET status = new.status, reason = new.reason, step = new.step, due_at = new.due_at, request_id = new.request_id,
    ended_at = CASE WHEN new.status IN ('done', 'cancelled') THEN $1::timestamptz END
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::integer[], $6::timestamptz[], $7::uuid[])
    AS new(id, status, reason, step, due_at, request_id)
WHERE run.id = new.id
"""

ANSWERED = """
UPDATE automation_runs run
SET coupon = new.coupon, step = run.step + 1, request_id = NULL, due_at = $1,
    reason = CASE WHEN new.coupon IS NULL THEN 'no_coupon' END,
    status = CASE WHEN new.coupon IS NULL AND run.steps -> run.step ->> 'otherwise' = 'end'
                  THEN 'done' ELSE 'running' END,
    ended_at = CASE WHEN new.coupon IS NULL AND run.steps -> run.step ->> 'otherwise' = 'end' THEN $1::timestamptz END
FROM (
    SELECT * FROM unnest($2::uuid[], $3::jsonb[]) AS given(request_id, coupon)
) AS new
WHERE run.request_id = new.request_id AND run.status = 'waiting'
"""

EMPTY = "UPDATE automation_runs SET coupon = NULL WHERE person_id = ANY($1::uuid[])"

CANCEL = """
UPDATE automation_runs SET status = 'cancelled', reason = 'erased', ended_at = $2
WHERE person_id = ANY($1::uuid[]) AND status IN ('running', 'waiting')
"""
