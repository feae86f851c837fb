"""Who is to be counted anew, and who of them is one person.

`folding` is a temporary table of a turn: every id under which facts about the dirty people may stand, and the person
that stands for it. Merged ids are linked without direction, so that the order in which merges came makes no difference.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg

TEMPORARY = """
CREATE TEMPORARY TABLE IF NOT EXISTS folding (person_id uuid PRIMARY KEY, root_id uuid NOT NULL) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS purchase_moves (LIKE counted_purchases, sign integer) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS histories (
    sign integer, purchase_id uuid, person_id uuid, occurred_at timestamptz, day date, currency text
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS gap_moves (LIKE purchase_gaps, sign integer) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS span_moves (
    sign integer, person_id uuid, span tstzrange, first_day date, last_day date
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS bought (
    sign integer, person_id uuid, grid text, number integer, purchases integer
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS covered (
    sign integer, person_id uuid, grid text, first_number integer, runs int4multirange
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS lead_moves (LIKE counted_leads, sign integer) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS invitation_moves (LIKE counted_invitations, sign integer) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS answer_moves (LIKE counted_answers, sign integer) ON COMMIT DELETE ROWS;
"""
"""A turn's own tables: `sign` is -1 for what leaves the figures and 1 for what enters them."""

EMPTY = """
TRUNCATE folding, purchase_moves, histories, gap_moves, bought, span_moves, covered, lead_moves, invitation_moves,
         answer_moves
"""

LOOK_UP = "SELECT set_config('random_page_cost', '1.1', true), set_config('jit', 'off', true)"
"""People's facts are looked up, also those of thousands: to read all facts costs more the more people there are. To
compile a statement for what it does in a tenth of a second takes longer than that.
"""

TAKE_DIRTY = """
DELETE FROM dirty WHERE seq IN (SELECT seq FROM dirty ORDER BY seq LIMIT $1) RETURNING person_id
"""

FILL_FOLDING = """
WITH RECURSIVE linked (start_id, person_id) AS (
    SELECT person_id, person_id FROM unnest($1::uuid[]) AS dirty (person_id)
    UNION
    SELECT linked.start_id, merges.other_id FROM linked JOIN merges ON merges.person_id = linked.person_id
), roots AS (
    SELECT start_id, min(person_id::text)::uuid AS root_id FROM linked GROUP BY start_id
)
INSERT INTO folding SELECT DISTINCT linked.person_id, roots.root_id FROM linked JOIN roots USING (start_id)
"""

KNOW_HOW_MANY = "ANALYZE folding"
"""Otherwise the planner takes a new table for thousands of people, and rather reads all facts than look theirs up."""


async def take_people(connection: asyncpg.Connection, most: int) -> int:
    """Take up to `most` marks, fill `folding` with the people they mean, and return how many marks it were."""
    rows = await connection.fetch(TAKE_DIRTY, most)
    if not rows:
        return 0
    people: list[UUID] = list({row["person_id"] for row in rows})
    await connection.execute(LOOK_UP)
    await connection.execute(TEMPORARY)
    await connection.execute(FILL_FOLDING, people)
    await connection.execute(KNOW_HOW_MANY)
    return len(rows)
