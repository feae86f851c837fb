"""Statements of inbound messages."""

TOLD_ELSEWHERE = """
old.account_id = $1 AND old.line = new.line
      AND old.received_at BETWEEN new.received_at - interval '90 seconds' AND new.received_at + interval '90 seconds'
      AND (old.provider_id IS NULL OR new.provider_id IS NULL) AND NOT (old.exact AND new.exact)
""".strip()

STORE = f"""
INSERT INTO inbound_messages (
    id, account_id, dedupe, provider_id, exact, line, sender, text, person_id, shared_by, meaning, number, keyword,
    received_at, recorded_at
)
SELECT new.id, $1, new.dedupe, new.provider_id, new.exact, new.line, new.sender, new.text, new.person_id,
       new.shared_by::uuid[], new.meaning, new.number, new.keyword, new.received_at, $2
FROM unnest(
    $3::uuid[], $4::bytea[], $5::text[], $6::boolean[], $7::text[], $8::text[], $9::text[], $10::uuid[], $11::text[],
    $12::text[], $13::integer[], $14::text[], $15::timestamptz[], $16::bytea[], $17::bytea[]
) AS new(
    id, dedupe, provider_id, exact, line, sender, text, person_id, shared_by, meaning, number, keyword, received_at,
    said_before, said_after
)
WHERE NOT EXISTS (
    SELECT FROM inbound_messages old
    WHERE {TOLD_ELSEWHERE} AND old.sender = new.sender AND old.text = new.text
) AND NOT EXISTS (
    SELECT FROM inbound_messages old
    WHERE {TOLD_ELSEWHERE} AND old.sender IS NULL AND old.dedupe = sha256($18::bytea || sha256(
        new.said_before || convert_to(CASE
            WHEN old.exact OR old.provider_id IS NULL THEN floor(extract(epoch FROM old.received_at))::bigint::text
            ELSE old.provider_id END, 'UTF8') || new.said_after
    ))
) AND NOT EXISTS (
    SELECT FROM inbound_messages old
    WHERE old.account_id = $1 AND old.dedupe = sha256($18::bytea || new.dedupe) AND old.sender IS NULL
)
ORDER BY new.dedupe
ON CONFLICT DO NOTHING
RETURNING id, line, sender, person_id, meaning, number, keyword, received_at
"""
"""One message may be heard of by a webhook, a poll and a sweep, each telling less or more of it: by the panel's id,
by the second, or else by an equal text close by. One that an erasure emptied has no text to compare: it is equal if
what was said now, told as it was then, has its digest, which is keyed: nobody else can search for who said it."""

LOCK_SENDERS = """
SELECT pg_advisory_xact_lock(key) FROM (
    SELECT DISTINCT hashtextextended('inbound:' || phone, 0) AS key FROM unnest($1::text[]) AS phone ORDER BY key
) AS keys
"""
"""Lets what is told of a number's texts at once, in different ways, be told one after the other."""

LATER_WORD = """
SELECT EXISTS (
    SELECT FROM inbound_messages
    WHERE sender = $1 AND line = $2 AND meaning IN ('opt_out', 'rejoin') AND received_at > $3
)
"""
"""Whether somebody has said since whether they want messages from a line: panels tell of texts late, in any order."""

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

NOTE_SHARED = """
UPDATE inbound_messages inbound SET shared_by = inbound.shared_by || new.person_id
FROM unnest($1::text[], $2::uuid[]) AS new(phone, person_id)
WHERE inbound.person_id IS NULL AND inbound.sender = new.phone AND NOT inbound.shared_by @> ARRAY[new.person_id]
"""

ERASE = """
UPDATE inbound_messages
SET sender = NULL, text = NULL, dedupe = CASE WHEN sender IS NULL THEN dedupe ELSE sha256($3::bytea || dedupe) END
FROM unnest($1::uuid[], $2::timestamptz[]) AS gone (id, until)
WHERE (person_id = gone.id OR person_id IS NULL AND shared_by @> ARRAY[gone.id]) AND received_at <= gone.until
"""
"""Also what may be theirs and is nobody's: better to lose the text of somebody at home than to keep one of theirs."""

LET_GO = """
UPDATE inbound_messages SET person_id = NULL
FROM unnest($1::uuid[], $2::timestamptz[]) AS gone (id, until)
WHERE person_id = gone.id AND received_at > gone.until
RETURNING sender
"""
"""What came from an erased person's number afterwards is of whoever has that number then."""

LATELY_NOBODYS = """
SELECT DISTINCT inbound.sender FROM inbound_messages inbound
WHERE inbound.recorded_at BETWEEN $1 AND $2
  AND inbound.person_id IS NULL AND inbound.sender IS NOT NULL AND inbound.shared_by = '{}'
ORDER BY inbound.sender
"""

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
