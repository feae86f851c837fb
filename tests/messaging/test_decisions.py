"""The decision chain: its order, its reasons and its hours, by tables worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.messaging.contacts.cards import Card
from services.messaging.messages.decision import Facts, Limits, Outcome, RenderingFailed, Suppressed, decide
from services.messaging.messages.hours import opens_at
from services.messaging.messages.lint import LintRules, lint
from services.messaging.providers.routing import Route, routes_for
from services.messaging.settings import Settings
from shared.contracts.cards import CUSTOMERS_CONTACTS
from shared.ids import new_id
from shared.settings import SettingsError, load

TEHRAN = ZoneInfo("Asia/Tehran")
NOON = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
"""12:00 in Tehran, which is three and a half hours ahead of UTC all the year."""

RULES = LintRules(longest=900, opt_out_text="لغو۱۱", filtered_words=("قرعه‌کشی", "وام"), links_allowed=False)
LIMITS = Limits(per_day=2, per_week=5, card_wait=timedelta(minutes=10), lint=RULES, zone=TEHRAN)
LINE = Route(
    account_id=new_id(),
    kind="smsir",
    line="30001",
    purposes=frozenset({"transactional", "service", "promotional"}),
    hours={"promotional": ("08:00", "21:00")},
)
SARA = Card(CUSTOMERS_CONTACTS, new_id(), 1, phones=("+989990001234",), accepts_promotional=True)
FACTS = Facts(
    now=NOON,
    channel="sms",
    purpose="promotional",
    created_at=NOON,
    not_after=NOON + timedelta(days=1),
    card=SARA,
    erased=False,
    awaits_card=False,
    routes=(LINE,),
    render=lambda: "فروش ویژه\nلغو11",
)


def verdict(**facts: Any) -> tuple[str, str, str | None]:
    last = decide(replace(FACTS, **facts), LIMITS).last
    return last.step, last.outcome, last.reason


def _fails() -> str:
    raise RenderingFailed("unknown_variable")


def test_a_message_against_which_nothing_stands_has_passed_every_step_in_the_order_of_the_domain() -> None:
    decision = decide(FACTS, LIMITS)

    steps = [verdict.step for verdict in decision.steps]
    assert steps == [
        "freshness", "person", "consent", "suppression", "frequency", "automation", "lint", "hours", "line",
    ]  # fmt: skip
    assert decision.route == LINE


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"now": NOON + timedelta(days=2)}, ("freshness", Outcome.SUPPRESS, "stale")),
        ({"erased": True}, ("person", Outcome.SUPPRESS, "erased")),
        ({"card": None}, ("person", Outcome.HOLD, "awaiting_card")),
        ({"awaits_card": True}, ("person", Outcome.HOLD, "awaiting_card")),
        (
            {"card": None, "created_at": NOON - timedelta(minutes=10)},
            ("person", Outcome.SUPPRESS, "no_card"),
        ),
        ({"card": replace(SARA, phones=())}, ("person", Outcome.SUPPRESS, "no_phone")),
        ({"channel": "email"}, ("person", Outcome.SUPPRESS, "no_email")),
        ({"card": replace(SARA, accepts_promotional=False)}, ("consent", Outcome.SUPPRESS, "no_consent")),
        (
            {"purpose": "service", "card": replace(SARA, accepts_service=False)},
            ("consent", Outcome.SUPPRESS, "no_consent"),
        ),
        (
            {"suppressed": Suppressed(operator_purposes=frozenset({"promotional"}))},
            ("suppression", Outcome.SUPPRESS, "blacklisted"),
        ),
        (
            {"suppressed": Suppressed(own=frozenset({("30001", "")}))},
            ("suppression", Outcome.SUPPRESS, "opted_out"),
        ),
        (
            {"suppressed": Suppressed(own=frozenset({("another line", "")}))},
            ("suppression", Outcome.SUPPRESS, "opted_out"),
        ),
        (
            {"promotion_paused_until": NOON + timedelta(days=14)},
            ("suppression", Outcome.SUPPRESS, "promotion_paused"),
        ),
        ({"promotional_day": 2}, ("frequency", Outcome.SUPPRESS, "daily_cap")),
        ({"promotional_day": 1, "promotional_week": 5}, ("frequency", Outcome.SUPPRESS, "weekly_cap")),
        ({"automation_active": False}, ("automation", Outcome.SUPPRESS, "automation_off")),
        ({"render": lambda: "فروش ویژه"}, ("lint", Outcome.SUPPRESS, "opt_out_text_missing")),
        ({"render": _fails}, ("lint", Outcome.FAIL, "unknown_variable")),
        ({"now": datetime(2026, 11, 22, 17, 30, tzinfo=UTC)}, ("hours", Outcome.HOLD, "outside_hours")),
        ({"routes": ()}, ("line", Outcome.HOLD, "no_line")),
        ({"routes": (replace(LINE, paused=True),)}, ("line", Outcome.HOLD, "account_paused")),
    ],
)
def test_the_first_step_that_does_not_pass_gives_the_reason(
    facts: dict[str, Any], expected: tuple[str, str, str | None]
) -> None:
    assert verdict(**facts) == expected


def test_a_code_goes_to_who_accepts_nothing_at_any_hour_and_however_much_promotion_there_was() -> None:
    card = replace(SARA, accepts_promotional=False, accepts_service=False)
    night = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)

    facts = replace(FACTS, purpose="transactional", card=card, now=night, promotional_day=9, promotional_week=9)
    assert decide(facts, LIMITS).route == LINE


def test_what_binds_promotion_binds_no_service() -> None:
    night, paused = datetime(2026, 11, 22, 22, 0, tzinfo=UTC), NOON + timedelta(days=14)

    facts = replace(FACTS, purpose="service", now=night, promotional_day=9, promotional_week=9)
    assert decide(replace(facts, promotion_paused_until=paused), LIMITS).route == LINE


@pytest.mark.parametrize(
    "facts",
    [{"not_after": NOON}, {"promotion_paused_until": NOON}, {"promotional_day": 1, "promotional_week": 4}],
)
def test_what_just_keeps_within_its_limits_leaves(facts: dict[str, Any]) -> None:
    assert decide(replace(FACTS, **facts), LIMITS).route == LINE


def test_an_opt_out_from_the_promotion_of_a_line_leaves_its_service() -> None:
    facts = replace(FACTS, purpose="service", suppressed=Suppressed(frozenset({("30001", "promotional")})))

    assert decide(facts, LIMITS).route == LINE


def test_an_opt_out_from_one_line_leaves_the_service_on_another() -> None:
    other = replace(LINE, line="30002")
    facts = replace(FACTS, purpose="service", routes=(LINE, other), suppressed=Suppressed(frozenset({("30001", "")})))

    assert decide(facts, LIMITS).route == other


def test_what_is_held_for_the_night_is_looked_at_when_the_line_opens() -> None:
    night = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)

    assert decide(replace(FACTS, now=night), LIMITS).last.until == datetime(2026, 11, 23, 4, 30, tzinfo=UTC)


def test_a_line_carries_its_own_purposes_over_its_own_channel() -> None:
    service = replace(LINE, line="30002", purposes=frozenset({"service"}))
    mail = replace(LINE, line="shop@example.com", kind="smtp")

    assert routes_for((LINE, service, mail), channel="sms", purpose="promotional") == [LINE]


def test_of_several_lines_the_one_that_is_open_is_taken_and_the_first_to_open_is_waited_for() -> None:
    later, sooner = (replace(LINE, hours={"promotional": (opens, "21:00")}) for opens in ("14:00", "09:00"))
    night = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)

    assert decide(replace(FACTS, routes=(later, sooner)), LIMITS).route == sooner
    held = decide(replace(FACTS, routes=(later, sooner), now=night), LIMITS).last
    assert held.until == datetime(2026, 11, 23, 5, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("waited", "rest"), [(timedelta(), timedelta(seconds=15)), (timedelta(hours=8), timedelta(hours=1))]
)
def test_the_longer_a_message_waits_for_a_line_the_more_seldom_it_is_looked_at(
    waited: timedelta, rest: timedelta
) -> None:
    held = decide(replace(FACTS, routes=(), created_at=NOON - waited), LIMITS).last

    assert held.until == NOON + rest


@pytest.mark.parametrize(
    ("waited", "rest"),
    [(timedelta(), timedelta(seconds=5)), (timedelta(minutes=9, seconds=58), timedelta(seconds=2))],
)
def test_a_card_is_looked_for_every_few_seconds_and_no_longer_than_it_is_waited_for(
    waited: timedelta, rest: timedelta
) -> None:
    held = decide(replace(FACTS, card=None, created_at=NOON - waited), LIMITS).last

    assert held.until == NOON + rest


@pytest.mark.parametrize(
    ("at", "hours", "expected"),
    [
        ("2026-11-22T04:29:59", ("08:00", "21:00"), "2026-11-22T04:30:00"),
        ("2026-11-22T04:30:00", ("08:00", "21:00"), None),
        ("2026-11-22T17:29:59", ("08:00", "21:00"), None),
        ("2026-11-22T17:30:00", ("08:00", "21:00"), "2026-11-23T04:30:00"),
        ("2026-11-22T21:00:00", ("08:00", "21:00"), "2026-11-23T04:30:00"),
        ("2026-11-22T18:30:00", ("22:00", "06:00"), None),
        ("2026-11-22T19:00:00", ("22:00", "06:00"), None),
        ("2026-11-23T02:00:00", ("22:00", "06:00"), None),
        ("2026-11-23T02:30:00", ("22:00", "06:00"), "2026-11-23T18:30:00"),
        ("2026-11-23T02:30:00", ("00:00", "00:00"), None),
    ],
)
def test_a_line_opens_at_the_hour_of_its_zone(at: str, hours: tuple[str, str], expected: str | None) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    opening = datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else now

    assert opens_at(now, {"promotional": hours}, "promotional", TEHRAN) == opening
    assert opens_at(now, {"promotional": hours, "transactional": hours}, "transactional", TEHRAN) == now
    assert opens_at(now, {"promotional": hours}, "service", TEHRAN) == now


@pytest.mark.parametrize(
    ("text", "purpose", "expected"),
    [
        ("  \n", "service", "empty"),
        ("آ" * 901, "service", "too_long"),
        ("آ" * 900, "service", None),
        ("حراج لغو۱۱", "promotional", None),
        ("حراج لغو 11", "promotional", None),
        ("حراج لغو١١", "promotional", None),
        ("حراج ۱۱", "promotional", "opt_out_text_missing"),
        ("قرعه کشي بزرگ", "service", "filtered_word"),
        ("قرعه‌کشی‌های تازه", "service", "filtered_word"),
        ("کار از قرعه کشید", "service", None),
        ("گفت‌وگو امروز", "service", None),
        ("وام!", "service", "filtered_word"),
        ("و.ا.م", "service", "filtered_word"),
        ("به example.ir سر بزنید", "service", "link"),
        ("اینجا: bit.ly/3xYz", "service", "link"),
        ("یک و/یا دو، 2.5/3", "service", None),
        ("https://example.org/x", "service", "link"),
        ("نسخهٔ 2.5 آمد", "service", None),
    ],
)
def test_a_text_is_held_against_the_rules_of_the_market(text: str, purpose: str, expected: str | None) -> None:
    assert lint(text, channel="sms", purpose=purpose, rules=RULES) == expected


def test_the_rules_of_the_sms_market_do_not_bind_mail() -> None:
    text = "وام! https://example.org" + " آ" * 900

    assert lint(text, channel="email", purpose="promotional", rules=RULES) is None


def test_a_filtered_word_without_a_letter_filters_nothing() -> None:
    assert lint("سلام", channel="sms", purpose="service", rules=replace(RULES, filtered_words=("!",))) is None


@pytest.mark.parametrize("given", ["160,153,70", "160,153,70,x", "160,153,70,1"])
def test_parts_that_cannot_be_are_refused_at_start(given: str) -> None:
    with pytest.raises(SettingsError, match="MESSAGING_PART_UNITS"):
        load(Settings, database_url="postgresql://nowhere", mode="embedded", part_units=given)
