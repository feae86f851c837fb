"""Written SQL that classifies many customers at once."""

from __future__ import annotations

from typing import Final

DUE: Final = """
SELECT person_id, nullif(due_at, '-infinity') AS due_at, types, stage
FROM classifications
WHERE due_at <= $1
ORDER BY due_at
LIMIT $2
FOR UPDATE SKIP LOCKED
"""

HISTORIES: Final = """
WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) AS asked(person_id, at)
), names AS (
    SELECT person_id, at, person_id AS known_as FROM asked
    UNION ALL
    SELECT asked.person_id, asked.at, aliases.alias_id FROM asked JOIN aliases USING (person_id)
), bought AS (
    SELECT names.person_id,
           count(*) FILTER (WHERE occurred_at < at) AS purchases,
           count(*) FILTER (
               WHERE occurred_at < at AND discount_minor > 0 AND discount_origin = 'promotion'
           ) AS discounted,
           (array_agg(occurred_at ORDER BY occurred_at DESC) FILTER (WHERE occurred_at < at))[1:$3] AS newest,
           min(occurred_at) FILTER (WHERE occurred_at >= at) AS next_at,
           bool_or(intermediary_id IS NOT NULL AND occurred_at < at) AS through_intermediary
    FROM names
    JOIN purchases ON purchases.person_id = names.known_as AND purchases.cancelled_at IS NULL
    GROUP BY names.person_id
), said AS (
    SELECT DISTINCT ON (names.person_id) names.person_id, answers.category
    FROM names
    JOIN attitudes_by_answer AS answers ON answers.person_id = names.known_as
    ORDER BY names.person_id, answers.occurred_at DESC, answers.version DESC
)
SELECT asked.person_id,
       coalesce(bought.purchases, 0) AS purchases,
       coalesce(bought.discounted, 0) AS discounted,
       coalesce(bought.newest, '{}') AS newest,
       bought.next_at,
       coalesce(bought.through_intermediary, false) AS through_intermediary,
       customers.engaged,
       customers.hand_types AS by_hand,
       said.category AS attitude
FROM asked
JOIN customers ON customers.id = asked.person_id
LEFT JOIN bought USING (person_id)
LEFT JOIN said USING (person_id)
"""

KEEP: Final = """
UPDATE classifications AS kept
SET types = string_to_array(new.types, ','), reasons = new.reasons::jsonb, stage = new.stage,
    stage_reason = new.stage_reason, classified_at = new.classified_at, due_at = new.due_at,
    opened_at = coalesce((SELECT created_at FROM customers WHERE id = kept.person_id), kept.opened_at)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[])
     AS new(person_id, types, reasons, stage, stage_reason, classified_at, due_at)
WHERE kept.person_id = new.person_id
"""

KEEP_ATTITUDES: Final = """
INSERT INTO attitudes_by_answer (event_id, person_id, category, occurred_at, version)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[])
    AS new(event_id, person_id, category, occurred_at, version)
ORDER BY event_id
ON CONFLICT DO NOTHING
"""

DROP_ATTITUDES: Final = "DELETE FROM attitudes_by_answer WHERE event_id = ANY($1::uuid[])"
