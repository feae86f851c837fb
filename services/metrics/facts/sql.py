"""How facts are written: sorted arrays in, a row once by its id, and a mark for the folder in the same transaction."""

from __future__ import annotations

PURCHASES = """
INSERT INTO purchases (purchase_id, person_id, occurred_at, amount_minor, discount_minor, currency, channel)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
ON CONFLICT DO NOTHING
"""

REFUNDS = """
INSERT INTO refunds (refund_id, purchase_id, amount_minor, currency)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[])
ON CONFLICT DO NOTHING
"""

CANCELLATIONS = """
INSERT INTO cancellations (purchase_id) SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING
"""

MERGES = """
INSERT INTO merges (person_id, other_id) SELECT * FROM unnest($1::uuid[], $2::uuid[]) ON CONFLICT DO NOTHING
"""

LEADS = """
INSERT INTO leads
    (lead_id, person_id, captured_at, source, campaign, product, awareness, agent_id, due_at, born_answered)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[],
    $9::timestamptz[], $10::boolean[]
)
ON CONFLICT DO NOTHING
"""

LEAD_ANSWERS = """
INSERT INTO lead_answers (touch_id, lead_id, asked_at, recorded_at, in_time, agent_id, version)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::boolean[], $6::uuid[], $7::bigint[]
)
ON CONFLICT DO NOTHING
"""

LEAD_OWNERS = """
INSERT INTO lead_owners (event_id, lead_id, agent_id, version)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[])
ON CONFLICT DO NOTHING
"""

LEAD_UPDATES = """
INSERT INTO lead_updates (event_id, lead_id, campaign, product, awareness, version)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])
ON CONFLICT DO NOTHING
"""

LEAD_OUTCOMES = """
INSERT INTO lead_outcomes (event_id, lead_id, outcome, occurred_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])
ON CONFLICT DO NOTHING
"""

LEAD_REOPENINGS = """
INSERT INTO lead_reopenings (event_id, lead_id, asked_at, due_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
ON CONFLICT DO NOTHING
"""

INVITATIONS = """
INSERT INTO invitations
    (invitation_id, person_id, invited_at, channel, kind, scale, survey, touchpoint, product, agent_id)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::uuid[]
)
ON CONFLICT DO NOTHING
"""

DELIVERIES = """
INSERT INTO deliveries (invitation_id, delivered_at)
SELECT invitation_id, min(delivered_at)
FROM unnest($1::uuid[], $2::timestamptz[]) AS told (invitation_id, delivered_at)
GROUP BY invitation_id ORDER BY invitation_id
ON CONFLICT (invitation_id) DO UPDATE SET delivered_at = least(deliveries.delivered_at, EXCLUDED.delivered_at)
"""

ANSWERS = """
INSERT INTO answers
    (event_id, invitation_id, person_id, occurred_at, revision, version, kind, scale, survey, touchpoint, product,
     agent_id, value, category)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::integer[], $6::bigint[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::text[], $12::uuid[], $13::integer[], $14::text[]
)
ON CONFLICT DO NOTHING
"""

DROP = "DELETE FROM {table} WHERE {column} = ANY($1::uuid[])"

MARK = "INSERT INTO dirty (person_id) SELECT * FROM unnest($1::uuid[])"
