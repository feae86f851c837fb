"""Statements of sending: they take and mark messages in batches, on the driver connection."""

from services.messaging.messages.telling import COLUMNS

QUEUE = f"""
INSERT INTO messages (
    id, intent_key, person_id, about_id, channel, purpose, lane, template, variables, body, subject, automation,
    invitation_id, coupon_id, lead_id, needs_topic, needs_version, status, due_at, not_after, created_at
)
SELECT new.id, new.intent_key, new.person_id, new.about_id, new.channel, new.purpose, new.lane, new.template,
       new.variables, new.body, new.subject, new.automation, new.invitation_id, new.coupon_id, new.lead_id,
       new.needs_topic, new.needs_version, 'queued', $2, new.not_after, $2
FROM jsonb_to_recordset($1::jsonb) AS new(
    id uuid, intent_key text, person_id uuid, about_id uuid, channel text, purpose text, lane smallint, template text,
    variables jsonb, body text, subject text, automation text, invitation_id uuid, coupon_id uuid, lead_id uuid,
    needs_topic text, needs_version bigint, not_after timestamptz
)
ORDER BY new.intent_key
ON CONFLICT DO NOTHING
RETURNING {COLUMNS}
"""

TAKE = f"""
SELECT taken.* FROM unnest($3::text[], $4::integer[]) AS wanted (channel, most) CROSS JOIN LATERAL (
    SELECT {COLUMNS}, about_id, variables::text, body, subject, needs_topic, needs_version, status, reason, not_after,
           created_at, attempts, account_id
    FROM messages
    WHERE lane = $1 AND channel = wanted.channel AND status IN ('queued', 'held') AND due_at <= $2
    ORDER BY due_at
    LIMIT wanted.most
    FOR UPDATE SKIP LOCKED
) AS taken
"""

CHANGE_LANE = """
UPDATE messages m SET purpose = new.purpose, lane = new.lane
FROM unnest($1::uuid[], $2::text[], $3::smallint[]) AS new(id, purpose, lane)
WHERE m.id = new.id
"""

POSTPONE = """
UPDATE messages m SET status = new.status, reason = new.reason, due_at = new.due_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS new(id, status, reason, due_at)
WHERE m.id = new.id
"""

END = """
UPDATE messages m SET status = new.status, reason = new.reason, ended_at = $4, lease_until = NULL, poll_at = NULL
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS new(id, status, reason)
WHERE m.id = new.id
"""

FLY = """
INSERT INTO in_flight (flight, message_id)
SELECT flight, message_id FROM unnest($1::bytea[], $2::uuid[]) AS new(flight, message_id) ORDER BY flight
ON CONFLICT (flight) DO NOTHING
RETURNING message_id
"""

LAND = "DELETE FROM in_flight WHERE message_id = ANY($1::uuid[])"

MARK_SENDING = """
UPDATE messages m
SET status = 'sending', reason = NULL, attempts = m.attempts + 1, send_id = $2, started_at = $3, lease_until = $4,
    account_id = new.account_id, line = new.line, address = new.address, subject = new.subject, text = new.text,
    html = new.html, parts = new.parts
FROM unnest(
    $1::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::integer[]
) AS new(id, account_id, line, address, subject, text, html, parts)
WHERE m.id = new.id
"""

DECIDED = """
INSERT INTO message_decisions (message_id, decided_at, outcome, reason, steps)
SELECT new.id, $2, new.outcome, new.reason, new.steps
FROM jsonb_to_recordset($1::jsonb) AS new(id uuid, outcome text, reason text, steps jsonb)
"""

SUPPRESSIONS = "SELECT address_hash, line, purpose, source FROM suppressions WHERE address_hash = ANY($1::bytea[])"

PAUSES = """
SELECT same.person_id, max(pause.until) AS until
FROM unnest($1::uuid[], $2::uuid[]) AS same(id, person_id) JOIN promotion_pauses pause ON pause.person_id = same.id
WHERE pause.until > $3
GROUP BY same.person_id
"""
"""Of each person, whichever of their ids it was said of."""

LOCK_PEOPLE = """
SELECT pg_advisory_xact_lock(hashtextextended('promotion:' || id::text, 0))
FROM (SELECT DISTINCT id FROM unnest($1::uuid[]) AS id ORDER BY id) AS people
"""

RECENT_PROMOTION = """
SELECT same.person_id, count(*) FILTER (WHERE started_at > $3) AS day, count(*) AS week
FROM unnest($1::uuid[], $2::uuid[]) AS same(id, person_id) JOIN messages message ON message.person_id = same.id
WHERE purpose = 'promotional' AND started_at > $4
  AND status IN ('sending', 'sent', 'delivered', 'undelivered', 'unknown')
GROUP BY same.person_id
"""

LOCK_ANSWERED = f"""
SELECT {COLUMNS}, status, attempts, not_after, parts, account_id, line, address
FROM messages
WHERE id = ANY($1::uuid[]) AND send_id = $2 AND ended_at IS NULL AND status IN ('sending', 'unknown')
ORDER BY id
FOR UPDATE
"""

MARK_SENT = """
UPDATE messages m
SET status = 'sent', reason = NULL, sent_at = $4, lease_until = NULL, provider_id = new.provider_id,
    pack_id = new.pack_id, cost = new.cost, poll_at = $5, polls = 0
FROM unnest($1::uuid[], $2::text[], $3::text[], $6::numeric[]) AS new(id, provider_id, pack_id, cost)
WHERE m.id = new.id
"""

MARK_UNKNOWN = """
UPDATE messages m SET status = 'unknown', reason = new.reason, due_at = $3, lease_until = NULL
FROM unnest($1::uuid[], $2::text[]) AS new(id, reason)
WHERE m.id = new.id
"""

TRY_AGAIN = """
UPDATE messages m
SET status = 'queued', reason = new.reason, due_at = new.due_at, lease_until = NULL, attempts = new.attempts
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::integer[]) AS new(id, reason, due_at, attempts)
WHERE m.id = new.id
"""

RENEW = """
UPDATE messages SET started_at = $3, lease_until = $4
WHERE id = ANY($1::uuid[]) AND send_id = $2 AND status = 'sending'
RETURNING id
"""

EXPIRED_LEASES = f"""
SELECT {COLUMNS} FROM messages
WHERE status = 'sending' AND lease_until <= $1
ORDER BY lease_until LIMIT $2
FOR UPDATE SKIP LOCKED
"""

UNKNOWN = """
SELECT id, account_id, line, address, text, flying.flight, coalesce(started_at, due_at) AS started_at, send_id, channel
FROM messages LEFT JOIN in_flight flying ON flying.message_id = messages.id
WHERE status = 'unknown' AND ended_at IS NULL AND due_at <= $1
ORDER BY due_at LIMIT $2
FOR UPDATE OF messages SKIP LOCKED
"""
"""One that a restored database knows from the log alone has no attempt."""

LOCK_UNKNOWN = f"""
SELECT {COLUMNS}, status, attempts, parts, account_id, line, address
FROM messages JOIN unnest($1::uuid[], $2::uuid[]) AS attempt(of, sought) ON attempt.of = messages.id
WHERE status = 'unknown' AND ended_at IS NULL AND send_id IS NOT DISTINCT FROM sought
ORDER BY id
FOR UPDATE OF messages
"""
"""Only those of the attempt that was looked for: a later one has not been."""

LOOK_AGAIN = "UPDATE messages SET due_at = $2 WHERE id = ANY($1::uuid[])"

KNOWN_PROVIDER_IDS = "SELECT provider_id FROM messages WHERE account_id = $1 AND provider_id = ANY($2::text[])"

STORE_REPORTS = """
INSERT INTO delivery_reports (account_id, provider_id, code, heard_at)
SELECT $1, provider_id, code, $4 FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS new(provider_id, code, place)
ORDER BY place
"""

_REPORTED = f"""
report.id AS report_id, report.code, {", ".join(f"message.{name.strip()}" for name in COLUMNS.split(","))},
message.status, message.address, message.account_id
""".strip()

TAKE_REPORTS = f"""
SELECT {_REPORTED}
FROM delivery_reports report
JOIN messages message ON message.account_id = report.account_id AND message.provider_id = report.provider_id
WHERE report.heard_at >= $2
ORDER BY report.heard_at, report.id
LIMIT $1
FOR UPDATE SKIP LOCKED
"""

TAKE_AWAITED = f"""
WITH taken AS (
    DELETE FROM delivery_reports report USING messages message
    WHERE message.id = ANY($1::uuid[])
      AND report.account_id = message.account_id AND report.provider_id = message.provider_id
    RETURNING {_REPORTED}, report.heard_at
)
SELECT * FROM taken ORDER BY heard_at, report_id
"""

DROP_REPORTS = "DELETE FROM delivery_reports WHERE id = ANY($1::bigint[])"

FORGET_REPORTS = "DELETE FROM delivery_reports WHERE heard_at < $1"

REPORTED = """
UPDATE messages m
SET status = new.status, reason = new.reason, ended_at = $4, poll_at = NULL
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS new(id, status, reason)
WHERE m.id = new.id
"""

DUE_POLLS = """
SELECT id, account_id, provider_id, pack_id, polls, sent_at
FROM messages
WHERE poll_at <= $1
ORDER BY poll_at LIMIT $2
FOR UPDATE SKIP LOCKED
"""

NEXT_POLL = """
UPDATE messages m SET polls = m.polls + 1, poll_at = new.poll_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS new(id, poll_at)
WHERE m.id = new.id
"""

RELEASE_AWAITING = """
UPDATE messages SET due_at = $2
WHERE person_id = ANY($1::uuid[]) AND status = 'held' AND reason = 'awaiting_card' AND due_at > $2
"""

ERASE_WAITING = f"""
UPDATE messages SET status = 'cancelled', reason = 'erased', ended_at = $2
WHERE (person_id = ANY($1::uuid[]) OR about_id = ANY($1::uuid[])) AND status IN ('queued', 'held')
RETURNING {COLUMNS}
"""

ERASE_CONTENT = """
UPDATE messages
SET variables = '{}', body = NULL, address = NULL, subject = NULL, text = NULL, html = NULL, flight = NULL
WHERE person_id = ANY($1::uuid[]) OR about_id = ANY($1::uuid[])
"""
"""The digest too, which the version before kept here without a key: numbers are so few that whoever guesses the text
finds the number it was made of."""
