"""Statements of inbound messages."""

STORE = """
INSERT INTO inbound_messages (
    id, account_id, dedupe, line, sender, text, person_id, meaning, number, keyword, received_at, recorded_at
)
SELECT new.id, $1, new.dedupe, new.line, new.sender, new.text, new.person_id, new.meaning, new.number, new.keyword,
       new.received_at, $2
FROM unnest(
    $3::uuid[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[], $10::integer[], $11::text[],
    $12::timestamptz[]
) AS new(id, dedupe, line, sender, text, person_id, meaning, number, keyword, received_at)
ORDER BY new.dedupe
ON CONFLICT (account_id, dedupe) DO NOTHING
RETURNING id, line, sender, person_id, meaning, number, keyword, received_at
"""

LAST_WRITTEN_TO = """
SELECT DISTINCT ON (message.address) message.address, message.person_id
FROM messages message JOIN unnest($1::text[], $2::uuid[]) AS asked(address, person_id)
  ON asked.person_id = message.person_id AND asked.address = message.address
WHERE message.sent_at IS NOT NULL
ORDER BY message.address, message.sent_at DESC
"""

MATCH = """
UPDATE inbound_messages inbound SET person_id = new.person_id
FROM unnest($1::text[], $2::uuid[]) AS new(phone, person_id)
WHERE inbound.person_id IS NULL AND inbound.sender = new.phone
RETURNING inbound.id, inbound.line, inbound.sender, inbound.person_id, inbound.meaning, inbound.number,
          inbound.keyword, inbound.received_at
"""

ERASE = "UPDATE inbound_messages SET sender = NULL, text = NULL WHERE person_id = ANY($1::uuid[])"

LEASE_POLL = """
UPDATE provider_accounts SET polled_at = $1
WHERE id IN (
    SELECT id FROM provider_accounts
    WHERE kind = 'smsir' AND active AND (polled_at IS NULL OR polled_at <= $2)
    FOR UPDATE SKIP LOCKED
)
RETURNING id
"""

POLL_LATER = "UPDATE provider_accounts SET polled_at = $2 WHERE id = $1"
