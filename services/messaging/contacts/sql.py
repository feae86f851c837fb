"""Statements of the hot paths over contact cards. State tables are named without their schema (EVENTS.md, 21)."""

UPSERT = """
INSERT INTO contact_cards AS old (
    topic, person_id, version, erased, kind, first_name, last_name, phones, shared_phones, emails, locale, time_zone,
    accepts_service, accepts_promotional
)
SELECT $1, (card->>'person_id')::uuid, (card->>'version')::bigint, (card->>'erased')::boolean, card->>'kind',
       card->>'first_name', card->>'last_name',
       ARRAY(SELECT jsonb_array_elements_text(card->'phones')),
       ARRAY(SELECT jsonb_array_elements_text(card->'shared_phones')),
       ARRAY(SELECT jsonb_array_elements_text(card->'emails')),
       card->>'locale', card->>'time_zone', (card->>'accepts_service')::boolean,
       (card->>'accepts_promotional')::boolean
FROM jsonb_array_elements($2::jsonb) AS card
ORDER BY card->>'person_id'
ON CONFLICT (topic, person_id) DO UPDATE SET
    version = excluded.version, erased = excluded.erased, kind = excluded.kind, first_name = excluded.first_name,
    last_name = excluded.last_name, phones = excluded.phones, shared_phones = excluded.shared_phones,
    emails = excluded.emails, locale = excluded.locale, time_zone = excluded.time_zone,
    accepts_service = excluded.accepts_service, accepts_promotional = excluded.accepts_promotional
WHERE old.version < excluded.version AND NOT old.erased
"""

UPSERT_ALIASES = """
INSERT INTO contact_aliases (alias_id, person_id)
SELECT DISTINCT ON (alias_id) alias_id, person_id
FROM unnest($1::uuid[], $2::uuid[]) AS new(alias_id, person_id)
WHERE alias_id <> person_id
ORDER BY alias_id
ON CONFLICT (alias_id) DO UPDATE SET person_id = excluded.person_id
"""

EMPTY_ERASED = """
WITH gone AS (
    SELECT topic, person_id FROM contact_cards WHERE person_id = ANY($1::uuid[]) ORDER BY topic, person_id FOR UPDATE
)
UPDATE contact_cards card
SET erased = true, kind = '', first_name = NULL, last_name = NULL, phones = '{}', shared_phones = '{}', emails = '{}'
FROM gone WHERE card.topic = gone.topic AND card.person_id = gone.person_id
"""

NUMBERS_OF = """
SELECT DISTINCT person_id, unnest(phones) AS phone FROM contact_cards WHERE person_id = ANY($1::uuid[]) AND NOT erased
"""
"""Their own: what is sent from one that they share may be another's."""

MARK_NUMBERS = """
INSERT INTO erased_addresses AS known (address_hash, erased_at)
SELECT * FROM unnest($1::bytea[], $2::timestamptz[]) AS new (address_hash, erased_at)
ON CONFLICT (address_hash) DO UPDATE SET erased_at = greatest(known.erased_at, excluded.erased_at)
"""

MARKED = "SELECT address_hash, erased_at FROM erased_addresses WHERE address_hash = ANY($1::bytea[])"

FORGET_MARKS = """
DELETE FROM erased_addresses WHERE address_hash IN (
    SELECT address_hash FROM erased_addresses WHERE erased_at < $1 ORDER BY erased_at LIMIT $2
)
"""

REMEMBER_ERASED = """
INSERT INTO erased_people (person_id, erased_at)
SELECT id, $2 FROM unnest($1::uuid[]) AS id ORDER BY id
ON CONFLICT (person_id) DO NOTHING
"""

RESOLVED = """
WITH RECURSIVE chain(asked, person_id, depth) AS (
    SELECT DISTINCT id, id, 0 FROM unnest($1::uuid[]) AS id
    UNION ALL
    SELECT chain.asked, alias.person_id, chain.depth + 1
    FROM chain JOIN contact_aliases alias ON alias.alias_id = chain.person_id
    WHERE chain.depth < 16
), resolved AS (
    SELECT DISTINCT ON (asked) asked, person_id FROM chain ORDER BY asked, depth DESC
)
"""
"""Follows aliases in chains; a chain of more than 16 is a circle."""

RESOLVE = f"{RESOLVED} SELECT asked, person_id FROM resolved"

ALL_IDS = f"""
{RESOLVED}, same(person_id, id, depth) AS (
    SELECT DISTINCT person_id, person_id, 0 FROM resolved
    UNION ALL
    SELECT same.person_id, alias.alias_id, same.depth + 1
    FROM same JOIN contact_aliases alias ON alias.person_id = same.id
    WHERE same.depth < 16
)
SELECT DISTINCT person_id, id FROM same
"""
"""Every id that means one of these people, with the id that they go by now."""

CARDS = f"""
{RESOLVED}
SELECT resolved.asked, card.topic, card.person_id, card.version, card.erased, card.kind, card.first_name,
       card.last_name, card.phones, card.shared_phones, card.emails, card.locale, card.accepts_service,
       card.accepts_promotional
FROM resolved JOIN contact_cards card ON card.person_id = resolved.person_id
"""

ERASED = f"""
{RESOLVED}
SELECT resolved.asked FROM resolved
WHERE EXISTS (SELECT FROM erased_people gone WHERE gone.person_id IN (resolved.asked, resolved.person_id))
"""

BY_PHONE = """
SELECT sender.phone, card.person_id, card.topic
FROM unnest($1::text[]) AS sender(phone)
JOIN contact_cards card
  ON card.phones @> ARRAY[sender.phone] OR card.shared_phones @> ARRAY[sender.phone]
WHERE NOT card.erased AND card.kind <> 'agent'
"""

HOLD_BY_PHONE = f"{BY_PHONE} ORDER BY card.topic, card.person_id FOR SHARE OF card"
"""Whoever has one of these numbers is not erased before the transaction ends."""
