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
UPDATE contact_cards
SET erased = true, kind = '', first_name = NULL, last_name = NULL, phones = '{}', shared_phones = '{}', emails = '{}'
WHERE person_id = ANY($1::uuid[])
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
