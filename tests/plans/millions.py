"""A million rows a service, as they come to be: most alike, a few rare, some that only the past had.

`$1` is how many. Row `i` is the `i`-th in time. Of every code there is a *hot* one, a long tail, one that a handful
has (`rare`) and one that nobody had for long (`old`): what a list of the newest finds last.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

COUNT: Final = int(os.environ.get("ROWS", "1000000"))
RARE: Final = 50_000
"""One row in so many has a rare value."""

YEARS: Final = 3
AT: Final = f"(now() - interval '{YEARS} years' * (1 - i / $1::float8) - interval '1 hour')"
PERSON: Final = "('00000000-0000-7000-8000-' || lpad(to_hex({}), 12, '0'))::uuid"
"""The id of whatever has this number, in the order of time, as ids are."""

ROWS: Final = "FROM generate_series(1, $1::integer) AS i CROSS JOIN LATERAL (SELECT {}) AS luck (a, b, c)".format(
    ", ".join(f"(hashint4(i + {salt}) & 1048575) / 1048576.0::float8" for salt in (17, 5_000_011, 90_000_049))
)
"""Numbers from 1, each with three that are spread evenly over `[0, 1)`."""


def skewed(name: str, many: int, luck: str = "a") -> str:
    """Return a code of `many`: the first is a third of all, the last hardly any; besides a rare and an old one."""
    return f"""CASE WHEN i % {RARE} = 7 THEN '{name}-rare' WHEN i < $1 / 10 AND luck.{luck} > 0.5 THEN '{name}-old'
        ELSE '{name}-' || floor({many} * luck.{luck} ^ 4) END"""


def id_of(number: str) -> str:
    return PERSON.format(f"({number})::bigint")


def someone(luck: str = "b") -> str:
    """Return the id of a person: one in a hundred is the same one, who has what nobody else has so much of."""
    return id_of(f"CASE WHEN i % 100 = 3 THEN 1 ELSE 1 + floor($1 * luck.{luck}) END")


CUSTOMERS: Final = (
    f"""
    INSERT INTO customers (id, origin, source, first_name, last_name, name_key, province, created_at, updated_at)
    SELECT {id_of("i")}, 'import', 'shop', 'name', 'family',
           'name' || floor(5000 * luck.a ^ 3) || ' family' || floor(9000 * luck.b), {skewed("province", 31, "c")},
           {AT}, {AT} {ROWS}
    """,
    f"""
    INSERT INTO phone_numbers (phone, person_id) SELECT '+98999' || lpad(i::text, 9, '0'), {id_of("i")} {ROWS}
    """,
    f"""
    INSERT INTO external_ids (source, external_id, person_id) SELECT 'shop', i::text, {id_of("i")} {ROWS}
    """,
    f"""
    INSERT INTO aliases (alias_id, person_id, merged_at) SELECT {id_of("$1 + i")}, {id_of("i")}, {AT} {ROWS}
    WHERE i % 50 = 0
    """,
    f"""
    INSERT INTO classifications (person_id, types, stage, classified_at, due_at, opened_at)
    SELECT {id_of("i")}, (CASE
               WHEN luck.a < 0.15 THEN ARRAY['potential'] WHEN i > $1 * 0.97 THEN ARRAY['actual', 'new']
               WHEN i < $1 * 0.92 AND luck.a < 0.8 THEN ARRAY['actual', 'former']
               WHEN i < $1 * 0.8 AND luck.a > 0.9 THEN ARRAY['actual', 'regular', 'loyal']
               ELSE ARRAY['actual', 'regular'] END)
           || CASE WHEN i % 20 = 3 THEN ARRAY['discount_seeking'] ELSE '{{}}' END
           || CASE WHEN i % {RARE} = 7 THEN ARRAY['external'] ELSE '{{}}' END
           || CASE WHEN i < $1 / 10 AND luck.b > 0.9 THEN ARRAY['internal'] ELSE '{{}}' END,
           CASE WHEN i % {RARE} = 9 THEN 'acquisition' WHEN luck.a < 0.15 THEN 'reach'
                WHEN i > $1 * 0.97 THEN 'conversion' WHEN i < $1 * 0.92 AND luck.a < 0.8 THEN 'lapsed'
                WHEN i < $1 * 0.8 AND luck.a > 0.9 THEN 'loyalty' ELSE 'retention' END,
           {AT}, now() + interval '1 day' * (luck.c + 0.1), {AT} {ROWS}
    """,
    f"""
    INSERT INTO purchases (id, person_id, source, external_id, fingerprint, amount_minor, currency, occurred_at,
                           recorded_at)
    SELECT {id_of("i")}, {someone()}, 'shop', i::text, '', 1000000, 'IRR', {AT}, {AT} {ROWS}
    """,
    f"""
    INSERT INTO purchase_lines (purchase_id, place, product, quantity, amount_minor, occurred_at)
    SELECT {id_of("i")}, 1, {skewed("product", 300)}, 1, 1000000, bought.occurred_at {ROWS}
    JOIN purchases AS bought ON bought.id = {id_of("i")}
    """,
    f"""
    INSERT INTO coupons (id, person_id, code, discount_percent, currency, reason, issued_at, valid_until)
    SELECT {id_of("i")}, {someone()}, 'CODE' || i, 10, 'IRR', 'thanks', {AT}, {AT} + interval '30 days' {ROWS}
    """,
    f"""
    INSERT INTO tickets (id, person_id, kind, priority, status, subject, product, for_manager, agent_id, opened_at)
    SELECT {id_of("i")}, {someone()},
           CASE WHEN i % {RARE} = 7 THEN 'complaint' WHEN i < $1 / 10 THEN 'request'
                WHEN luck.a < 0.7 THEN 'question' ELSE 'problem' END,
           CASE WHEN i % {RARE} = 7 THEN 'urgent' WHEN i < $1 / 10 THEN 'low' WHEN luck.a < 0.9 THEN 'normal'
                ELSE 'high' END,
           CASE WHEN i % 200 = 7 AND i > $1 * 0.9 THEN 'open' WHEN i % {RARE} = 8 THEN 'answered' ELSE 'resolved' END,
           'about', CASE WHEN luck.c < 0.5 THEN {skewed("product", 300)} END, i % {RARE} = 7,
           CASE WHEN luck.c < 0.9 THEN CASE WHEN i % {RARE} = 7 THEN {id_of("998")} WHEN i < $1 / 10 THEN {id_of("999")}
                ELSE {id_of("1 + floor(40 * luck.b ^ 4)")} END END, {AT} {ROWS}
    """,
    f"""
    INSERT INTO ticket_answers (id, ticket_id, agent_id, text, answered_at)
    SELECT {id_of("i")}, {id_of("i")}, {id_of("1")}, 'done', {AT} {ROWS}
    """,
)

LEADS: Final = (
    f"""
    INSERT INTO agents (id, role, team, on_duty, active, created_at, updated_at)
    SELECT {id_of("i")}, CASE WHEN i % 10 = 0 THEN 'manager' ELSE 'agent' END, 'team-' || i % 9, i % 3 > 0, i % 50 > 0,
           now() + interval '1 second' * i, now()
    FROM generate_series(1, 1000 + $1 * 0) AS i
    """,
    f"""
    INSERT INTO persons (id, first_name, last_name, name_folded, phone, created_at)
    SELECT {id_of("i")}, 'name', 'family', 'name' || floor(5000 * luck.a ^ 3) || ' family' || floor(9000 * luck.b),
           '+98999' || lpad(i::text, 7, '0'), {AT} {ROWS}
    """,
    f"""
    INSERT INTO leads (id, person_id, status, kind, source, direction, product, agent_id, captured_at,
                       question_asked_at, response_due_at, overdue_at, updated_at)
    SELECT {id_of("i")}, {id_of("i")},
           CASE WHEN i > $1 * 0.98 THEN CASE WHEN luck.a < 0.5 THEN 'new' ELSE 'working' END
                WHEN i % {RARE} = 7 THEN 'qualified' WHEN luck.a < 0.6 THEN 'disqualified' ELSE 'converted' END, 'new',
           CASE WHEN i % {RARE} = 8 THEN 'walk_in' WHEN i < $1 / 10 THEN 'event' WHEN luck.b < 0.5 THEN 'website'
                WHEN luck.b < 0.9 THEN 'social' ELSE 'call' END, 'inbound',
           CASE WHEN luck.c < 0.7 THEN {skewed("product", 300)} END,
           CASE WHEN luck.c < 0.9 THEN CASE WHEN i % {RARE} = 7 THEN {id_of("998")} WHEN i < $1 / 10 THEN {id_of("999")}
                ELSE {id_of("1 + floor(40 * luck.b ^ 4)")} END END, {AT}, {AT}, {AT},
           CASE WHEN i % {RARE} = 9 OR (i < $1 / 10 AND luck.c > 0.9) THEN {AT} END, {AT} {ROWS}
    """,
    f"""
    INSERT INTO touches (id, lead_id, kind, direction, channel, by, occurred_at, recorded_at)
    SELECT {id_of("i")}, {id_of("CASE WHEN i % 100 = 3 THEN 1 ELSE i END")}, 'touch', 'outbound', 'call', 'human', {AT},
           {AT} {ROWS}
    """,
)

ASKED_ONE: Final = id_of("CASE WHEN i % 2000 = 3 THEN 1 ELSE 1 + floor($1 * luck.b) END")
"""Somebody who is asked. Fatigue spares people for a month; one is asked every other day, about tickets, say."""

SURVEYS: Final = (
    f"""
    INSERT INTO surveys (id, code, kind, scale, title, created_at, updated_at)
    SELECT {id_of("1000 + i")}, 'survey-' || (ARRAY['0', '1', '2', '3', 'old', 'rare'])[i], 'csat', '1-5', 'title',
           now(), now()
    FROM generate_series(1, 6 + $1 * 0) AS i
    """,
    f"""
    INSERT INTO people (person_id, merged_into) SELECT {id_of("$1 + i")}, {id_of("i")} {ROWS} WHERE i % 50 = 0
    """,
    f"""
    INSERT INTO invitations (id, survey_id, survey, person_id, request_id, status, reason, channel, touchpoint, product,
                             agent_id, requested_at, expires_at, delivered_at)
    SELECT {id_of("i")}, surveys.id, asked.survey, {ASKED_ONE}, {id_of("i")}, asked.status,
           CASE WHEN asked.status = 'refused' THEN CASE WHEN i < $1 / 10 THEN 'old' ELSE 'fatigue' END END, 'sms',
           CASE WHEN luck.c < 0.7 THEN {skewed("touchpoint", 8, "b")} END,
           CASE WHEN luck.c > 0.3 THEN {skewed("product", 300, "b")} END,
           CASE WHEN luck.c < 0.5 THEN CASE WHEN i % {RARE} = 7 THEN {id_of("998")} WHEN i < $1 / 10 THEN {id_of("999")}
                ELSE {id_of("1 + floor(40 * luck.b ^ 4)")} END END,
           {AT}, {AT} + interval '14 days', {AT}
    {ROWS} CROSS JOIN LATERAL (SELECT {skewed("survey", 4, "c")}, CASE
        WHEN i > $1 * 0.99 THEN 'open' WHEN i % {RARE} = 9 THEN 'cancelled' WHEN luck.a < 0.1 THEN 'refused'
        WHEN luck.a < 0.4 THEN 'expired' ELSE 'answered' END) AS asked (survey, status)
    JOIN surveys ON surveys.code = asked.survey
    """,
    f"""
    INSERT INTO answers (id, invitation_id, survey_id, value, category, channel, touchpoint, product, agent_id,
                         answered_at, loop_opened_at, loop_closed_at)
    SELECT asked.id, asked.id, asked.survey_id, 1 + i % 5,
           CASE WHEN i % {RARE} < 2 THEN 'neutral' WHEN luck.c < 0.1 THEN 'unsatisfied' ELSE 'satisfied' END, 'sms',
           asked.touchpoint, asked.product, asked.agent_id, {AT},
           CASE WHEN luck.c < 0.1 THEN {AT} END, CASE WHEN luck.c < 0.1 AND i % {RARE} > 50 THEN {AT} END
    {ROWS} JOIN invitations AS asked ON asked.id = {id_of("i")} AND asked.status = 'answered'
    """,
)

STATUS: Final = f"""CASE
    WHEN i % {RARE} = 7 THEN 'unknown' WHEN i % {RARE} = 8 THEN 'sending' WHEN i % 1000 = 9 THEN 'held'
    WHEN i % 5000 = 11 THEN 'queued' WHEN i < $1 / 10 AND luck.b > 0.5 THEN 'cancelled' WHEN luck.b < 0.01 THEN 'failed'
    WHEN luck.b < 0.02 THEN 'suppressed' WHEN luck.b < 0.03 THEN 'undelivered' WHEN i > $1 * 0.999 THEN 'sent'
    ELSE 'delivered' END"""

MESSAGING: Final = (
    f"""
    INSERT INTO provider_accounts (id, name, kind, base_url, secret, webhook_hash, tokens_at, rate_per_s, created_at,
                                   updated_at, active)
    SELECT {id_of("i")}, 'account ' || i, 'smsir', 'http://127.0.0.1:9', '', '', now(), 5000, now(), now(), false
    FROM generate_series(1, 2 + $1 * 0) AS i
    """,
    f"""
    INSERT INTO contact_cards (topic, person_id, version, kind, phones)
    SELECT 'customers.contacts.v1', {id_of("i")}, i, 'customer', ARRAY['+98999' || lpad(i::text, 9, '0')] {ROWS}
    """,
    f"""
    INSERT INTO messages (id, intent_key, person_id, channel, purpose, lane, template, automation, status, due_at,
        not_after, account_id, line, address, text, flight, send_id, started_at, lease_until, provider_id, pack_id,
        poll_at, created_at, sent_at, ended_at)
    SELECT {id_of("i")}, 'key:' || i, {someone("c")}, 'sms', 'service', 1 + i % 2, {skewed("template", 20)},
           CASE WHEN luck.c < 0.7 THEN {skewed("automation", 12)} END, status,
           CASE WHEN status IN ('queued', 'held') THEN now() + interval '1 day' * (luck.c - 0.1) ELSE {AT} END,
           {AT} + interval '3 days', {id_of("1 + i % 2")}, '3000', '+98999' || lpad(i::text, 9, '0'), 'text', '\\x00',
           {id_of("i")}, {AT}, CASE WHEN status = 'sending' THEN now() + interval '1 minute' END,
           CASE WHEN status IN ('sent', 'delivered', 'undelivered', 'failed') THEN 'p' || i END, 'pack',
           CASE WHEN status = 'sent' THEN now() + interval '1 hour' * luck.c END, {AT},
           CASE WHEN status IN ('sent', 'delivered') THEN {AT} END,
           CASE WHEN status NOT IN ('queued', 'held', 'sending', 'sent') THEN {AT} END
    {ROWS} CROSS JOIN LATERAL (SELECT {STATUS}) AS known (status)
    """,
    f"""
    INSERT INTO message_decisions (message_id, decided_at, outcome, steps) SELECT {id_of("i")}, {AT}, 'pass', '[]'
    {ROWS}
    """,
    f"""
    INSERT INTO inbound_messages (id, account_id, dedupe, exact, line, sender, text, person_id, meaning, received_at,
                                  recorded_at)
    SELECT {id_of("i")}, {id_of("1 + i % 2")}, int8send(i), true, '3000', '+98999' || lpad(i::text, 9, '0'), 'text',
           CASE WHEN i % {RARE} <> 7 AND i > $1 / 100 THEN {someone("c")} END, 'reply', {AT}, {AT} {ROWS}
    """,
    f"""
    INSERT INTO suppressions (id, address_hash, channel, source, person_id, created_at)
    SELECT {id_of("i")}, int8send(i), 'sms', 'reply', {id_of("i")}, {AT} {ROWS}
    """,
    f"""
    INSERT INTO automation_runs (id, automation, event_id, person_id, status, steps, context, due_at, created_at)
    SELECT {id_of("i")}, 'thank_you_coupon', {id_of("i")}, {someone("c")},
           CASE WHEN i % 500 = 7 THEN 'waiting' WHEN i % 100 = 8 THEN 'running' ELSE 'done' END, '[]', '{{}}',
           now() + interval '10 days' * (luck.c - 0.001), {AT} {ROWS}
    """,
    f"""
    INSERT INTO delivery_reports (account_id, provider_id, code, heard_at)
    SELECT {id_of("1")}, 'another-system-' || i, '1', now() - interval '6 days' * luck.a {ROWS} WHERE i % 5 = 0
    """,
)

GRIDS: Final = (("day", 1_500, 738_500), ("month.gregorian", 60, 24_264), ("month.jalali", 60, 16_812))
LONG_GRIDS: Final = (
    ("week.gregorian", 215, 105_500), ("week.jalali", 215, 105_500), ("quarter.gregorian", 20, 8_088),
    ("quarter.jalali", 20, 5_604), ("year.gregorian", 5, 2_022), ("year.jalali", 5, 1_401),
)  # fmt: skip
"""Of each grid how many periods are kept, and the number of the first."""

Kept = tuple[tuple[str, ...], str, tuple[str, ...]]
"""Measures, the scope that they are kept in, and what they are split by."""

OF_PEOPLE: Final[Kept] = (("new", "won_back", "lost", "buyers", "repeat_buyers", "bought_again"), "", ())
SUMMED: Final[tuple[Kept, ...]] = (
    (("purchases", "net_minor", "refunded_minor", "new_customers"), "IRR", ("channel",)),
    (
        ("leads", "leads_in_time", "leads_late", "leads_unanswered", "leads_born_answered", "leads_qualified",
         "leads_won", "leads_bought_30d", "leads_bought_90d"),
        "", ("source", "campaign", "product", "awareness", "agent"),
    ),
    (
        ("invitations", "invitations_answered", "answers", "answers_satisfied", "answers_neutral",
         "answers_unsatisfied"),
        "csat:1-5", ("survey", "touchpoint", "product", "agent"),
    ),
)  # fmt: skip

KEYS: Final = 40


def kept(measures: tuple[str, ...], scope: str, dimensions: tuple[str, ...], grid: tuple[str, int, int]) -> str:
    """Return the statement that keeps measures on a grid: of each dimension a fifth of its keys in each period."""
    name, count, first = grid
    splits = ", ".join(["('', 1)", *(f"('{each}', {KEYS})" for each in dimensions)])
    return f"""
    INSERT INTO kept_counts (measure, scope, grid, dimension, number, key, amount)
    SELECT measure, '{scope}', '{name}', split.dimension, {first} + number,
           CASE WHEN split.dimension <> '' THEN 'key-' || key ELSE '' END, 1000
    FROM generate_series(0, {count}) AS number
    CROSS JOIN unnest(string_to_array('{" ".join(measures)}', ' ')) AS measure
    CROSS JOIN (VALUES {splits}) AS split (dimension, keys)
    CROSS JOIN LATERAL generate_series(1, split.keys) AS key
    WHERE $1::integer > 0 AND (split.dimension = '' OR hashint4(number * 41 + key) % 5 = 0)
    """


METRICS: Final = (
    f"""
    INSERT INTO purchases (purchase_id, person_id, occurred_at, amount_minor, discount_minor, currency, channel)
    SELECT {id_of("i")}, {someone()}, {AT}, 1000000, 0, 'IRR', 'shop' {ROWS}
    """,
    """
    INSERT INTO counted_purchases (purchase_id, person_id, occurred_at, day, net_minor, refunded_minor, currency,
                                   channel)
    SELECT purchase_id, person_id, occurred_at, occurred_at::date, amount_minor, 0, currency, channel FROM purchases
    WHERE $1::integer > 0
    """,
    """
    INSERT INTO purchase_gaps
    SELECT purchase_id, occurred_at, lag(occurred_at) OVER told, lag(occurred_at, 2) OVER told FROM counted_purchases
    WHERE $1::integer > 0 WINDOW told AS (PARTITION BY person_id ORDER BY occurred_at, purchase_id)
    """,
    """
    INSERT INTO activity_spans
    SELECT person_id, unnest(range_agg(tstzrange(occurred_at, occurred_at + interval '90 days', '(]')))
    FROM counted_purchases WHERE $1::integer > 0 GROUP BY person_id
    """,
    f"""
    INSERT INTO leads (lead_id, person_id, captured_at, source, campaign, due_at, born_answered)
    SELECT {id_of("i")}, {id_of("i")}, {AT}, 'web', {skewed("campaign", 40)}, {AT} + interval '1 day', false {ROWS}
    """,
    """
    INSERT INTO counted_leads (lead_id, person_id, day, source, campaign, product, awareness, agent, due_at, response,
                               qualified, won, bought_30d, bought_90d)
    SELECT lead_id, person_id, captured_at::date, source, campaign, '', '', '', due_at,
           CASE WHEN hashtext(lead_id::text) % 10 = 0 THEN 'unanswered' ELSE 'in_time' END, false, false, false, false
    FROM leads WHERE $1::integer > 0
    """,
    """
    INSERT INTO lead_answers (touch_id, lead_id, asked_at, recorded_at, version)
    SELECT lead_id, lead_id, captured_at, captured_at, 1 FROM leads WHERE $1::integer > 0
    """,
    """
    INSERT INTO lead_outcomes (event_id, lead_id, outcome, occurred_at)
    SELECT lead_id, lead_id, 'qualified', captured_at FROM leads WHERE $1::integer > 0
    """,
    f"""
    INSERT INTO invitations (invitation_id, person_id, invited_at, channel, kind, scale, survey)
    SELECT {id_of("i")}, {id_of("i")}, {AT}, 'sms', 'csat', '1-5', 'survey' {ROWS}
    """,
    """
    INSERT INTO counted_invitations (invitation_id, person_id, day, scope, survey, touchpoint, product, agent, answered)
    SELECT invitation_id, person_id, invited_at::date, 'csat:1-5', survey, '', '', '', false FROM invitations
    WHERE $1::integer > 0
    """,
    *(kept(*each, grid) for each in (*SUMMED, OF_PEOPLE) for grid in GRIDS),
    *(kept(*OF_PEOPLE, grid) for grid in LONG_GRIDS),
    *(
        f"""
        INSERT INTO kept_counts (measure, scope, grid, dimension, number, key, amount)
        SELECT measure, '', '{grid}', 'cohort', {first} + number, {first} + cohort, 1
        FROM generate_series(0, {count}) AS number CROSS JOIN LATERAL generate_series(0, number) AS cohort
        CROSS JOIN unnest(ARRAY['cohort_bought', 'cohort_active']) AS measure WHERE $1::integer > 0
        """
        for grid, count, first in GRIDS[1:]
    ),
)

SEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "customers": CUSTOMERS, "leads": LEADS, "messaging": MESSAGING, "metrics": METRICS, "surveys": SURVEYS,
}  # fmt: skip


async def fill(connection: asyncpg.Connection, statements: Sequence[str]) -> None:
    began = time.monotonic()
    await connection.execute("SET synchronous_commit = off")
    for statement in statements:
        done = await connection.execute(statement, COUNT)
        print(f"{time.monotonic() - began:6.0f} s  {done}", flush=True)  # noqa: T201
    await connection.execute("VACUUM ANALYZE")
