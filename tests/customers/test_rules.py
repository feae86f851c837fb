"""The types and stages of DOMAIN.md, worked out by hand, borders included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.customers.classification.rules import TICK, History, Rules, Verdict, classify

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
RULES = Rules()


def days(*ago: float) -> list[datetime]:
    return [NOW - timedelta(days=each) for each in ago]


def of(*ago: float, discounted: int = 0, **more: Any) -> History:
    """Return the history of somebody who bought so many days ago, the latest first."""
    times = sorted(days(*ago), reverse=True)
    return History(purchases=len(times), discounted=discounted, newest=times[: RULES.regular_purchases], **more)


@pytest.mark.parametrize(
    ("history", "types", "stage", "reason"),
    [
        (of(), {"potential"}, "reach", "known"),
        (of(engaged=True), {"potential"}, "acquisition", "engaged"),
        (of(1), {"actual", "new"}, "conversion", "first_purchase"),
        (of(30), {"actual", "new"}, "conversion", "first_purchase"),
        (of(30.00001), {"actual"}, "conversion", "first_purchase"),
        (of(90), {"actual"}, "conversion", "first_purchase"),
        (of(90.00001), {"actual", "former"}, "lapsed", "no_purchase_within_90_days"),
        (of(1, 2), {"actual"}, "retention", "repeat_purchase"),
        (of(1, 400), {"actual"}, "retention", "repeat_purchase"),
        (of(1, 2, 3), {"actual"}, "retention", "repeat_purchase"),
        (of(1, 2, 3, 4), {"actual", "regular", "loyal"}, "loyalty", "loyal"),
        (of(1, 2, 3, 365), {"actual", "regular", "loyal"}, "loyalty", "loyal"),
        (of(1, 2, 3, 365.00001), {"actual"}, "retention", "repeat_purchase"),
        (of(91, 92, 93, 94), {"actual", "former"}, "lapsed", "no_purchase_within_90_days"),
        (of(1, 2, 3, 4, discounted=2), {"actual", "regular", "loyal"}, "loyalty", "loyal"),
        (of(1, 2, 3, 4, 5, discounted=3), {"actual", "regular", "discount_seeking"}, "retention", "repeat_purchase"),
        (of(1, discounted=1), {"actual", "new"}, "conversion", "first_purchase"),
        (of(1, 2, discounted=1), {"actual"}, "retention", "repeat_purchase"),
        (of(1, 2, discounted=2), {"actual", "discount_seeking"}, "retention", "repeat_purchase"),
        (of(100, 101, discounted=2), {"actual", "former", "discount_seeking"}, "lapsed", "no_purchase_within_90_days"),
        (of(1, 2, 3, 4, attitude="satisfied"), {"actual", "regular", "loyal"}, "loyalty", "loyal"),
        (of(1, 2, 3, 4, attitude="passive"), {"actual", "regular", "loyal"}, "loyalty", "loyal"),
        (of(1, 2, 3, 4, attitude="detractor"), {"actual", "regular"}, "retention", "repeat_purchase"),
        (of(1, 2, 3, 4, attitude="unsatisfied"), {"actual", "regular"}, "retention", "repeat_purchase"),
        (of(1, through_intermediary=True), {"actual", "new", "external"}, "conversion", "first_purchase"),
        (of(by_hand=["internal", "intermediary"]), {"potential", "internal", "intermediary"}, "reach", "known"),
    ],
)
def test_a_history_gives_the_types_and_the_stage_that_the_domain_says(
    history: History, types: set[str], stage: str, reason: str
) -> None:
    verdict = classify(history, NOW, RULES)

    assert (set(verdict.types), verdict.stage, verdict.stage_reason) == (types, stage, reason)
    assert set(verdict.reasons) == types


@pytest.mark.parametrize(
    ("history", "changes_after_days"),
    [
        (of(), None),
        (of(10), 20),
        (of(30), 0),
        (of(40), 50),
        (of(90), 0),
        (of(91), None),
        (of(1, 2, 3, 4), 89),
        (of(1, 2, 3, 300), 65),
        (of(1, 400), 89),
        (of(next_at=NOW + timedelta(hours=12)), 0.5),
    ],
)
def test_the_next_change_is_when_the_first_window_closes(history: History, changes_after_days: float | None) -> None:
    expected = None if changes_after_days is None else NOW + timedelta(days=changes_after_days) + TICK

    assert classify(history, NOW, RULES).changes_at == expected


def test_loyalty_says_what_it_rests_on() -> None:
    assert classify(of(1, 2, 3, 4), NOW, RULES).reasons["loyal"] == "behaviour"
    assert classify(of(1, 2, 3, 4, attitude="promoter"), NOW, RULES).reasons["loyal"] == "behaviour_and_attitude"


def test_windows_and_thresholds_are_settings() -> None:
    rules = Rules(new_for=timedelta(days=7), active_for=timedelta(days=14), regular_purchases=2)

    assert "new" not in classify(of(8), NOW, rules).types
    assert "former" in classify(of(15), NOW, rules).types
    assert "regular" in classify(of(1, 2), NOW, rules).types


ago = st.floats(min_value=0.001, max_value=800, allow_nan=False)


@given(st.lists(ago, max_size=8), st.floats(min_value=0, max_value=900))
def test_between_now_and_the_next_change_the_verdict_stays_the_same(bought: list[float], later: float) -> None:
    """Nothing changes by time alone before `changes_at`, so looking again only then misses nothing."""
    verdict = classify(of(*bought), NOW, RULES)
    horizon = verdict.changes_at or NOW + timedelta(days=2_000)
    at = min(NOW + timedelta(days=later), horizon - TICK)

    assert _said(classify(of(*bought), at, RULES)) == _said(verdict)


@given(st.lists(ago, max_size=8))
def test_a_person_is_exactly_one_of_potential_and_actual(bought: list[float]) -> None:
    types = classify(of(*bought), NOW, RULES).types

    assert ("potential" in types) != ("actual" in types)
    assert ("potential" in types) == (not bought)


def _said(verdict: Verdict) -> tuple[Any, ...]:
    return verdict.types, verdict.reasons, verdict.stage, verdict.stage_reason
