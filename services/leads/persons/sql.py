"""Written SQL that finds persons: it runs with every capture and every batch of events."""

from __future__ import annotations

from hashlib import blake2b

KNOWN_BY = 4_911
"""The first key of the locks of what people are known by; the second says which of a million it is."""


LOCKS = 1 << 20


def lock_of(name: str) -> int:
    """Return the lock that keeps two captures with this name in common apart.

    There are so few that many people share one, and nobody can be told by theirs from the database's log; two who
    happen to share one wait for each other.
    """
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) % LOCKS


LOCK = f"SELECT pg_advisory_xact_lock({KNOWN_BY}, lock) FROM unnest($1::int[]) AS lock"
"""Takes locks in the order given, which has to be that of their numbers, as this keeps two from a deadlock."""

TRY_LOCK = f"SELECT pg_try_advisory_xact_lock({KNOWN_BY}, lock) FROM unnest($1::int[]) AS lock"
"""Takes those locks that nobody has, and waits for none."""

MEANT = "SELECT coalesce((SELECT person_id FROM aliases WHERE alias_id = $1), $1)"

HOLD = f"""
SELECT meant.id, pg_advisory_xact_lock(hashtextextended('person:' || meant.id::text, 0)) FROM ({MEANT}) AS meant (id)
"""


def finding(phone: str, email: str, name: str) -> str:
    """Return the query for who is known by a number or an address, of which expressions are given.

    Of customers their card decides. `how` is a `persons.identity.How`.
    """
    return f"""
    SELECT match.how, match.has_phone, match.same_name, coalesce(alias.person_id, match.id) AS person_id,
           coalesce(NOT customer.erased, false) AS is_customer
    FROM (
        SELECT 1 AS how, id, true AS has_phone, name_folded = {name} AS same_name FROM persons WHERE phone = {phone}
        UNION ALL
        SELECT 2, person_id, true, false FROM contacts WHERE phones @> ARRAY[{phone}]
        UNION ALL
        SELECT 3, person_id, true, false FROM contacts WHERE shared_phones @> ARRAY[{phone}]
        UNION ALL
        SELECT 4, id, phone IS NOT NULL, false FROM persons WHERE email = {email}
        UNION ALL
        SELECT 5, person_id, phones <> '{{}}' OR shared_phones <> '{{}}', false FROM contacts
        WHERE emails @> ARRAY[{email}]
    ) AS match
    LEFT JOIN aliases AS alias ON alias.alias_id = match.id
    LEFT JOIN contacts AS customer ON customer.person_id = coalesce(alias.person_id, match.id)
    WHERE coalesce(customer.version, 0) = 0
       OR match.how IN (2, 3, 5)
       OR match.how = 1 AND {phone} = ANY(customer.phones || customer.shared_phones)
       OR match.how = 4 AND {email} = ANY(customer.emails)
    """


FIND = f"{finding('$1::text', '$2::text', '$3::text')} ORDER BY match.how, person_id"

IS_KNOWN = f"SELECT EXISTS ({finding('$1::text', '$2::text', 'NULL')})"

SAME_AS = """
WITH asked AS (
    SELECT given.id AS asked_id, coalesce(alias.person_id, given.id) AS person_id
    FROM unnest($1::uuid[]) AS given (id) LEFT JOIN aliases AS alias ON alias.alias_id = given.id
)
SELECT asked_id, person_id AS id FROM asked
UNION SELECT asked_id, asked_id FROM asked
UNION SELECT asked_id, alias_id FROM asked JOIN aliases USING (person_id)
UNION SELECT asked_id, unnest(contacts.aliases) FROM asked JOIN contacts USING (person_id)
"""
"""All ids that mean the same person as each of those asked for, itself among them."""

STORE_ALIAS = """
WITH moved AS (UPDATE aliases SET person_id = $2 WHERE person_id = $1)
INSERT INTO aliases (alias_id, person_id) VALUES ($1, $2)
ON CONFLICT (alias_id) DO UPDATE SET person_id = excluded.person_id
"""

STORE_CONTACTS = """
INSERT INTO contacts AS kept (person_id, version, phones, shared_phones, emails, aliases, erased)
SELECT person_id, version, phones, shared_phones, emails, aliases, erased
FROM jsonb_to_recordset($1::jsonb) AS card (
    person_id uuid, version bigint, phones text[], shared_phones text[], emails text[], aliases uuid[], erased boolean
)
ORDER BY person_id
ON CONFLICT (person_id) DO UPDATE
SET version = excluded.version, phones = excluded.phones, shared_phones = excluded.shared_phones,
    emails = excluded.emails, aliases = excluded.aliases, erased = excluded.erased
WHERE kept.version < excluded.version AND NOT kept.erased
"""

LET_CARDS_IDENTIFY = """
UPDATE persons SET identifies = false FROM (
    SELECT id FROM persons WHERE id = ANY($1::uuid[]) AND identifies ORDER BY id FOR NO KEY UPDATE
) AS customer
WHERE persons.id = customer.id
"""

STORE_STUBS = """
INSERT INTO contacts (person_id) SELECT id FROM unnest($1::uuid[]) AS new (id) ORDER BY id ON CONFLICT DO NOTHING
"""

DROP_STUBS = "DELETE FROM contacts WHERE person_id = ANY($1::uuid[]) AND version = 0 AND NOT erased"

EMPTY_CONTACTS = """
INSERT INTO contacts (person_id, erased) SELECT id, true FROM unnest($1::uuid[]) AS gone (id) ORDER BY id
ON CONFLICT (person_id) DO UPDATE
SET phones = '{}', shared_phones = '{}', emails = '{}', aliases = '{}', erased = true
"""

TELL = """
INSERT INTO tellings (touch_id, person_id, told_at, capture) VALUES ($1, $2, $3, $4::jsonb)
"""

TOLD_SINCE = """
SELECT telling.touch_id, touch.lead_id, telling.told_at, telling.capture
FROM tellings AS telling JOIN touches AS touch ON touch.id = telling.touch_id
WHERE telling.person_id = ANY($1::uuid[]) AND telling.told_at > $2
ORDER BY telling.told_at, telling.touch_id
"""

FORGET_TELLINGS = "DELETE FROM tellings WHERE person_id = ANY($1::uuid[])"

FORGET_OLD_TELLINGS = """
DELETE FROM tellings WHERE touch_id IN (SELECT touch_id FROM tellings WHERE told_at < $1 ORDER BY told_at LIMIT $2)
"""
