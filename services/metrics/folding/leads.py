"""What leads count for: captured, answered in time or not, and how far they came.

A lead's dimensions are those last known; its agent is who answered, else who owns it. Its response is that to the
question it was captured with: the first answer, whoever gave it. A lead that was won or given up before that was due
is `closed`, and nothing of it falls due, unless it was reopened while nobody had answered: then the question is asked
anew, with a due time of its own, and so each time. One of these that passed while the lead was open was missed, and an
answer after it is late. Whether an unanswered one is overdue depends on the time at which a figure is read, so it is
counted as `unanswered` here. One that was merged counts as part of the lead that it went into. *Bought* is the person's
first purchase after capture, within 30 or 90 days.
"""

from __future__ import annotations

import asyncpg

from services.metrics.folding.sql import changes, day_of, enter, leave, moved, tally

DIMENSIONS = ("source", "campaign", "product", "awareness", "agent")
_COLUMNS = (
    "lead_id, person_id, day, source, campaign, product, awareness, agent, due_at, response, qualified, won, "
    "bought_30d, bought_90d"
)

_BOUGHT_WITHIN = """EXISTS (
    SELECT FROM counted_purchases WHERE counted_purchases.person_id = folding.root_id
    AND counted_purchases.occurred_at >= leads.captured_at
    AND counted_purchases.occurred_at < leads.captured_at + make_interval(hours => {hours}))"""

_OPEN_QUESTIONS = """
SELECT min(question.asked_at) AS asked_at, min(question.due_at) AS due_at
FROM (
    SELECT leads.captured_at, leads.due_at WHERE leads.due_at IS NOT NULL
    UNION ALL SELECT asked_at, due_at FROM lead_reopenings WHERE lead_reopenings.lead_id = leads.lead_id
) AS question (asked_at, due_at)
WHERE NOT EXISTS (
    SELECT FROM lead_outcomes AS ending
    WHERE ending.lead_id = leads.lead_id AND ending.occurred_at <= question.due_at
    AND (ending.outcome = 'converted' OR ending.outcome = 'disqualified' AND ending.occurred_at >= question.asked_at)
)
"""
"""When the first question was asked that no ending settled before it was due, and when that was.

What was won stays won, so that settles whatever was asked.
"""

_NOW = f"""
SELECT leads.lead_id, leads.person_id, at.day, leads.source,
       coalesce(known.campaign, ''), coalesce(known.product, ''), coalesce(known.awareness, ''),
       coalesce((CASE WHEN answer.agent_id IS NOT NULL THEN answer.agent_id
                      WHEN owner.lead_id IS NOT NULL THEN owner.agent_id
                      ELSE leads.agent_id END)::text, ''),
       CASE WHEN leads.due_at IS NOT NULL THEN coalesce(open.due_at, leads.due_at) END,
       CASE WHEN leads.born_answered THEN 'born_answered'
            WHEN leads.due_at IS NULL THEN 'not_asked'
            WHEN answer.lead_id IS NULL AND open.due_at IS NULL THEN 'closed'
            WHEN answer.lead_id IS NULL THEN 'unanswered'
            WHEN open.asked_at < answer.asked_at THEN 'late'
            WHEN coalesce(answer.in_time, answer.recorded_at <= leads.due_at) THEN 'in_time'
            ELSE 'late' END,
       reached.qualified, reached.won,
       {_BOUGHT_WITHIN.format(hours=30 * 24)},
       {_BOUGHT_WITHIN.format(hours=90 * 24)}
FROM leads
JOIN folding USING (person_id)
CROSS JOIN {day_of("leads.captured_at", "at")}
LEFT JOIN LATERAL (
    SELECT * FROM lead_answers WHERE lead_answers.lead_id = leads.lead_id ORDER BY asked_at, version LIMIT 1
) AS answer ON true
LEFT JOIN LATERAL (
    SELECT * FROM lead_owners WHERE lead_owners.lead_id = leads.lead_id ORDER BY version DESC LIMIT 1
) AS owner ON true
CROSS JOIN LATERAL ({_OPEN_QUESTIONS}) AS open
CROSS JOIN LATERAL (
    SELECT campaign, product, awareness, version FROM lead_updates WHERE lead_updates.lead_id = leads.lead_id
    UNION ALL SELECT leads.campaign, leads.product, leads.awareness, 0
    ORDER BY version DESC LIMIT 1
) AS known
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(outcome IN ('qualified', 'converted')), false) AS qualified,
           coalesce(bool_or(outcome = 'converted'), false) AS won,
           coalesce(bool_or(outcome = 'merged'), false) AS merged
    FROM lead_outcomes WHERE lead_outcomes.lead_id = leads.lead_id
) AS reached
WHERE NOT reached.merged
"""

_SUMS = tally(
    "lead_moves",
    {
        "leads": "1",
        "leads_in_time": "(response = 'in_time')::integer",
        "leads_late": "(response = 'late')::integer",
        "leads_unanswered": "(response = 'unanswered')::integer",
        "leads_born_answered": "(response = 'born_answered')::integer",
        "leads_qualified": "qualified::integer",
        "leads_won": "won::integer",
        "leads_bought_30d": "bought_30d::integer",
        "leads_bought_90d": "bought_90d::integer",
    },
    DIMENSIONS,
)


async def fold_leads(connection: asyncpg.Connection) -> None:
    """Count the folding people's leads anew; their purchases have to be counted before."""
    if not await moved(connection, changes("counted_leads", "lead_moves", _NOW)):
        return
    await connection.execute(_SUMS)
    await connection.execute(leave("counted_leads", "lead_moves", "lead_id"))
    await connection.execute(enter("counted_leads", "lead_moves", _COLUMNS))
