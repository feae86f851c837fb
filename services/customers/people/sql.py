"""Written SQL on who is who; all of it takes many people at once."""

from __future__ import annotations

from typing import Final

RESOLVE: Final = """
SELECT asked.id, coalesce(alias.person_id, asked.id) AS person_id, erased.person_id IS NOT NULL AS erased
FROM unnest($1::uuid[]) AS asked(id)
LEFT JOIN aliases AS alias ON alias.alias_id = asked.id
LEFT JOIN erased_people AS erased ON erased.person_id = asked.id
"""

BY_PHONE: Final = """
SELECT asked.phone, own.person_id AS customer_id, lead.person_id AS lead_person_id,
       (SELECT array_agg(person_id) FROM phone_numbers AS one WHERE one.phone = asked.phone AND one.shared) AS sharers
FROM unnest($1::text[]) AS asked(phone)
LEFT JOIN phone_numbers AS own ON own.phone = asked.phone AND NOT own.shared
LEFT JOIN LATERAL (
    SELECT known.person_id
    FROM lead_phones AS known
    WHERE known.phone = asked.phone
      AND NOT EXISTS (SELECT FROM erased_people AS erased WHERE erased.person_id = known.person_id)
      AND NOT EXISTS (SELECT FROM customers WHERE customers.id = known.person_id)
      AND NOT EXISTS (SELECT FROM aliases WHERE aliases.alias_id = known.person_id)
    ORDER BY known.person_id
    LIMIT 1
) AS lead ON own.person_id IS NULL
"""
"""Whose numbers are. Those of customers stand in their profiles: the card of the lead that one of them was may hold a
number that they gave up, and somebody else has now."""

DOUBLES: Final = """
WITH pairs AS (
    SELECT lead.person_id AS lead_person_id, own.person_id AS customer_id
    FROM phone_numbers AS own JOIN lead_phones AS lead USING (phone)
    WHERE NOT own.shared AND own.person_id = ANY($1::uuid[])
    UNION
    SELECT lead.person_id, own.person_id
    FROM lead_phones AS lead JOIN phone_numbers AS own USING (phone)
    WHERE NOT own.shared AND lead.person_id = ANY($1::uuid[])
)
SELECT * FROM pairs
WHERE NOT EXISTS (SELECT FROM customers WHERE customers.id = lead_person_id)
  AND NOT EXISTS (SELECT FROM aliases WHERE alias_id = lead_person_id)
  AND NOT EXISTS (SELECT FROM erased_people WHERE person_id = lead_person_id)
ORDER BY 1, 2
"""

BY_EXTERNAL_ID: Final = """
SELECT known.source, known.external_id, known.person_id
FROM unnest($1::text[], $2::text[]) AS asked(source, external_id)
JOIN external_ids AS known USING (source, external_id)
"""

CLAIM_PHONES: Final = """
INSERT INTO phone_numbers (phone, person_id, shared, place)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::boolean[], $4::bigint[]) AS new(phone, person_id, shared, place)
ORDER BY phone, person_id
ON CONFLICT DO NOTHING
RETURNING phone
"""

CLAIM_EXTERNAL_IDS: Final = """
INSERT INTO external_ids (source, external_id, person_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[]) AS new(source, external_id, person_id)
ORDER BY source, external_id
ON CONFLICT DO NOTHING
RETURNING external_id
"""

SHARE_PHONES: Final = """
WITH owners AS MATERIALIZED (
    SELECT id FROM customers
    WHERE id IN (SELECT person_id FROM phone_numbers WHERE phone = ANY($1::text[]) AND NOT shared)
    ORDER BY id FOR NO KEY UPDATE
), raised AS (
    UPDATE customers SET version = version + 1 FROM owners WHERE customers.id = owners.id
)
UPDATE phone_numbers SET shared = true
WHERE phone = ANY($1::text[]) AND NOT shared AND (SELECT count(*) FROM owners) >= 0
RETURNING person_id
"""
"""Its owners are counted so that they are locked first, as by whoever changes a profile; some are only being opened."""

REMEMBER_ERASED: Final = """
INSERT INTO erased_people (person_id, erased_at)
SELECT id, $2 FROM unnest($1::uuid[]) AS gone(id) ORDER BY id
ON CONFLICT DO NOTHING
"""

KEEP_CARDS: Final = """
INSERT INTO lead_contacts AS known (person_id, version, card)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::jsonb[]) AS new(person_id, version, card)
WHERE card IS NULL OR NOT EXISTS (SELECT FROM erased_people AS erased WHERE erased.person_id = new.person_id)
ORDER BY person_id
ON CONFLICT (person_id) DO UPDATE SET version = excluded.version, card = excluded.card
WHERE known.version < excluded.version
RETURNING person_id
"""

FORGET_LEAD_PHONES: Final = "DELETE FROM lead_phones WHERE person_id = ANY($1::uuid[])"

KEEP_LEAD_PHONES: Final = """
INSERT INTO lead_phones (phone, person_id)
SELECT * FROM unnest($1::text[], $2::uuid[]) AS new(phone, person_id) ORDER BY phone, person_id
ON CONFLICT DO NOTHING
"""
