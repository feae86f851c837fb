"""What surveys count for: invitations that reached the person, whether they were answered, and the answers.

Scales are not pooled, so kind and scale together are the scope that sums are kept in. An invitation counts on the
day it was delivered: of a message by its report, of the API at once; an answer proves that it was, report or not.
"""

from __future__ import annotations

import asyncpg

from services.metrics.folding.sql import changes, day_of, enter, leave, moved, tally

DIMENSIONS = ("survey", "touchpoint", "product", "agent")
CATEGORIES = ("satisfied", "neutral", "unsatisfied", "promoter", "passive", "detractor", "easy", "hard")
_COLUMNS = "invitation_id, person_id, day, scope, survey, touchpoint, product, agent"
_ASKED = """
{0}.kind || ':' || {0}.scale, {0}.survey, coalesce({0}.touchpoint, ''), coalesce({0}.product, ''),
coalesce({0}.agent_id::text, '')
"""

_INVITATIONS = f"""
SELECT invitations.invitation_id, invitations.person_id, at.day, {_ASKED.format("invitations")},
       first.answered_at IS NOT NULL
FROM invitations
JOIN folding USING (person_id)
LEFT JOIN deliveries USING (invitation_id)
LEFT JOIN LATERAL (
    SELECT min(occurred_at) AS answered_at FROM answers WHERE answers.invitation_id = invitations.invitation_id
) AS first ON true
CROSS JOIN LATERAL (
    SELECT least(first.answered_at, deliveries.delivered_at,
                 CASE WHEN invitations.channel = 'api' THEN invitations.invited_at END) AS reached_at
) AS known
CROSS JOIN {day_of("known.reached_at", "at")}
"""

_ANSWERS = f"""
SELECT DISTINCT ON (answers.invitation_id) answers.invitation_id, answers.person_id, at.day, {_ASKED.format("answers")},
       answers.category, answers.value
FROM answers
JOIN folding USING (person_id)
CROSS JOIN {day_of("answers.occurred_at", "at")}
ORDER BY answers.invitation_id, answers.revision DESC, answers.version DESC, answers.event_id DESC
"""

_INVITATION_SUMS = tally(
    "invitation_moves", {"invitations": "1", "invitations_answered": "answered::integer"}, DIMENSIONS, scope="scope"
)
_ANSWER_SUMS = tally(
    "answer_moves",
    {
        "answers": "1",
        "answers_value": "coalesce(value, 0)",
        **{f"answers_{category}": f"(category = '{category}')::integer" for category in CATEGORIES},
    },
    DIMENSIONS,
    scope="scope",
)


async def fold_surveys(connection: asyncpg.Connection) -> None:
    """Count the folding people's invitations and answers anew."""
    if await moved(connection, changes("counted_invitations", "invitation_moves", _INVITATIONS)):
        await connection.execute(_INVITATION_SUMS)
        await connection.execute(leave("counted_invitations", "invitation_moves", "invitation_id"))
        await connection.execute(enter("counted_invitations", "invitation_moves", f"{_COLUMNS}, answered"))
    if await moved(connection, changes("counted_answers", "answer_moves", _ANSWERS)):
        await connection.execute(_ANSWER_SUMS)
        await connection.execute(leave("counted_answers", "answer_moves", "invitation_id"))
        await connection.execute(enter("counted_answers", "answer_moves", f"{_COLUMNS}, category, value"))
