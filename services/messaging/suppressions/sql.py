"""Statements of suppressions."""

SUPPRESS = """
INSERT INTO suppressions (id, address_hash, channel, line, purpose, source, person_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (address_hash, line, purpose, source) DO NOTHING
RETURNING id
"""

REJOIN = """
DELETE FROM suppressions
WHERE address_hash = $1 AND line = $2 AND (source = 'reply' OR source <> 'operator' AND created_at <= $3)
RETURNING id
"""
"""Of what was asked for by a reply, the replies tell which came last; the rest was recorded when it was asked for."""

PAUSE = """
INSERT INTO promotion_pauses AS old (person_id, until, reason) VALUES ($1, $2, $3)
ON CONFLICT (person_id) DO UPDATE SET until = excluded.until, reason = excluded.reason
WHERE old.until < excluded.until
"""

FORGET = "UPDATE suppressions SET person_id = NULL WHERE person_id = ANY($1::uuid[])"

FORGET_PAUSES = "DELETE FROM promotion_pauses WHERE person_id = ANY($1::uuid[])"
