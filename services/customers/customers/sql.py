"""Written SQL for profiles, many at once. Lists within a row travel as lines of one text: unnest would flatten them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

COLUMNS: Final = {
    "id": "uuid",
    "kind": "text",
    "origin": "text",
    "lead_id": "uuid",
    "source": "text",
    "first_name": "text",
    "last_name": "text",
    "name_key": "text",
    "emails": "text",
    "locale": "text",
    "time_zone": "text",
    "province": "text",
    "city": "text",
    "birth_date": "date",
    "birth_calendar": "text",
    "gender": "text",
    "accepts_service": "boolean",
    "accepts_promotional": "boolean",
    "consent_source": "text",
    "consent_at": "timestamptz",
    "hand_types": "text",
    "engaged": "boolean",
    "version": "bigint",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
}
LISTS: Final = ("emails", "hand_types")

_NAMES: Final = ", ".join(COLUMNS)
_ARRAYS: Final = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(COLUMNS.values(), start=1))
_VALUES: Final = ", ".join(f"string_to_array({name}, E'\\n')" if name in LISTS else name for name in COLUMNS)
_CHANGES: Final = ", ".join(
    f"{name} = string_to_array(new.{name}, E'\\n')" if name in LISTS else f"{name} = new.{name}"
    for name in COLUMNS
    if name != "id"
)

INSERT: Final = f"""
INSERT INTO customers ({_NAMES})
SELECT {_VALUES} FROM unnest({_ARRAYS}) AS new({_NAMES})
WHERE NOT EXISTS (SELECT FROM aliases WHERE alias_id = new.id)
  AND NOT EXISTS (SELECT FROM erased_people WHERE person_id = new.id)
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id
"""

UPDATE: Final = f"""
UPDATE customers SET {_CHANGES}
FROM unnest({_ARRAYS}) AS new({_NAMES})
WHERE customers.id = new.id
"""

LOCK: Final = f"SELECT {_NAMES} FROM customers WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"
"""Locks profiles against each other's changes, but not against purchases, which only hold the customer."""

CARDS: Final = f"""
SELECT asked.id AS asked_id, {", ".join(f"customers.{name}" for name in COLUMNS)},
       (SELECT array_agg(phone ORDER BY place, phone) FROM phone_numbers
        WHERE person_id = customers.id AND NOT shared) AS phones,
       (SELECT array_agg(phone ORDER BY place, phone) FROM phone_numbers
        WHERE person_id = customers.id AND shared) AS shared_phones,
       (SELECT array_agg(alias_id ORDER BY alias_id) FROM aliases WHERE person_id = customers.id) AS aliases
FROM unnest($1::uuid[]) AS asked(id)
LEFT JOIN aliases AS alias ON alias.alias_id = asked.id
JOIN customers ON customers.id = coalesce(alias.person_id, asked.id)
"""


DETAILS: Final = """
SELECT asked.id,
       (SELECT array_agg(phone ORDER BY place, phone) FROM phone_numbers
        WHERE person_id = asked.id AND NOT shared) AS phones,
       (SELECT array_agg(phone ORDER BY place, phone) FROM phone_numbers
        WHERE person_id = asked.id AND shared) AS shared_phones,
       (SELECT jsonb_agg(jsonb_build_object('source', source, 'external_id', external_id) ORDER BY source, external_id)
        FROM external_ids WHERE person_id = asked.id) AS external_ids,
       (SELECT array_agg(alias_id ORDER BY alias_id) FROM aliases WHERE person_id = asked.id) AS alias_ids,
       kept.types, kept.reasons, kept.stage, kept.stage_reason
FROM unnest($1::uuid[]) AS asked(id)
LEFT JOIN classifications AS kept ON kept.person_id = asked.id
"""

LAST_PURCHASES: Final = """
SELECT names.person_id, bought.*
FROM (
    SELECT person_id, array_agg(known_as) AS known_as
    FROM (
        SELECT id AS person_id, id AS known_as FROM unnest($1::uuid[]) AS asked(id)
        UNION ALL
        SELECT person_id, alias_id FROM aliases WHERE person_id = ANY($1::uuid[])
    ) AS known
    GROUP BY person_id
) AS names
CROSS JOIN LATERAL (
    SELECT recent.id, recent.occurred_at, recent.amount_minor, recent.discount_minor, recent.refunded_minor,
           recent.currency, CASE WHEN recent.cancelled_at IS NULL THEN 'recorded' ELSE 'cancelled' END AS status,
           ARRAY(SELECT product FROM purchase_lines WHERE purchase_id = recent.id ORDER BY place) AS products
    FROM unnest(names.known_as) AS known(id)
    CROSS JOIN LATERAL (
        SELECT * FROM purchases WHERE person_id = known.id ORDER BY occurred_at DESC, id DESC LIMIT $2
    ) AS recent
    ORDER BY recent.occurred_at DESC, recent.id DESC
    LIMIT $2
) AS bought
"""

OPEN_TICKETS: Final = """
SELECT coalesce(alias.person_id, tickets.person_id) AS owner_id, tickets.*
FROM tickets
LEFT JOIN aliases AS alias ON alias.alias_id = tickets.person_id
WHERE tickets.status IN ('open', 'answered')
  AND tickets.person_id IN (
      SELECT unnest($1::uuid[]) UNION ALL SELECT alias_id FROM aliases WHERE person_id = ANY($1::uuid[])
  )
ORDER BY tickets.opened_at DESC
LIMIT 50
"""


def columns(rows: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the parameters of `INSERT` and `UPDATE` for rows of all `COLUMNS`."""
    rows = list(rows)
    return [
        ["\n".join(row[name]) for row in rows] if name in LISTS else [row[name] for row in rows] for name in COLUMNS
    ]
