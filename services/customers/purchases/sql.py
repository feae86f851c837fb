"""Written SQL of the hot paths: a purchase, and ten thousand of them."""

from __future__ import annotations

from typing import Final

from shared import outbox

NAMES: Final = (
    "id, person_id, source, external_id, fingerprint, amount_minor, discount_minor, discount_origin, currency, "
    "coupon_id, intermediary_id, agent_id, channel, occurred_at, recorded_at"
)

LINE_NAMES: Final = "purchase_id, place, product, category, quantity, amount_minor, occurred_at"

RECORD: Final = f"""
WITH purchase AS (
    INSERT INTO purchases ({NAMES})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (source, external_id) WHERE external_id IS NOT NULL DO NOTHING
    RETURNING id, person_id, occurred_at
), lines AS (
    INSERT INTO purchase_lines ({LINE_NAMES})
    SELECT purchase.id, line.place, line.product, line.category, line.quantity::numeric, line.amount_minor,
           purchase.occurred_at
    FROM purchase, unnest($16::text[], $17::text[], $18::text[], $19::bigint[])
         WITH ORDINALITY AS line(product, category, quantity, amount_minor, place)
), marked AS (
    INSERT INTO classifications (person_id, opened_at)
    SELECT person_id, coalesce((SELECT created_at FROM customers WHERE id = person_id), 'infinity') FROM purchase
    ON CONFLICT (person_id) DO UPDATE SET due_at = '-infinity'
), published AS (
    INSERT INTO outbox ({outbox.COLUMNS})
    SELECT $20::uuid, $21::text, $22::text, $23::uuid, $24::uuid, $25::bytea, $26::timestamptz, $27::text, $28::uuid,
           $29::text
    FROM purchase
)
SELECT id FROM purchase
"""

RECORD_MANY: Final = f"""
INSERT INTO purchases ({NAMES})
SELECT {NAMES} FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
    $10::uuid[], $11::uuid[], $12::uuid[], $13::text[], $14::timestamptz[], $15::timestamptz[]
) WITH ORDINALITY AS new({NAMES}, place)
ORDER BY place
ON CONFLICT (source, external_id) WHERE external_id IS NOT NULL DO NOTHING
RETURNING id
"""

BY_EXTERNAL_ID: Final = """
SELECT source, external_id, id, fingerprint, person_id
FROM purchases
JOIN unnest($1::text[], $2::text[]) AS asked(source, external_id) USING (source, external_id)
WHERE external_id IS NOT NULL
"""
