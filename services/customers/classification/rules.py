"""What a customer is, from what they did: types and stage as DOMAIN.md defines them.

Pure: the same history at the same instant gives the same answer, in whatever order its parts arrived. All windows
are `[t − window, t)` in days of 24 hours, as *active* is defined, so a purchase counts from just after its instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.contracts.customers import CustomerType, LifecycleStage

TICK: Final = timedelta(microseconds=1)
"""The smallest step of time that the database keeps: what leaves a window at its end is out one tick later."""

BAD_ATTITUDES: Final = frozenset({"unsatisfied", "detractor"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The windows and thresholds; the defaults are DOMAIN.md's."""

    new_for: timedelta = timedelta(days=30)
    active_for: timedelta = timedelta(days=90)
    regular_purchases: int = 4
    regular_within: timedelta = timedelta(days=365)
    loyal_discounted_percent: int = 50
    discount_seeking_purchases: int = 2
    discount_seeking_percent: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A person's purchases before an instant, less the cancelled ones, as far as the rules ask for them.

    `newest` are the times of the last `Rules.regular_purchases` of them, latest first. `discounted` counts those
    with a promotional discount; our own coupons and rewards are none. `next_at` is the first at or after the instant.
    """

    purchases: int = 0
    discounted: int = 0
    newest: Sequence[datetime] = ()
    next_at: datetime | None = None
    through_intermediary: bool = False
    engaged: bool = False
    by_hand: Sequence[CustomerType] = ()
    attitude: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The types with the reason of each, the stage with its reason, and when time alone may change them."""

    types: tuple[CustomerType, ...]
    reasons: dict[str, str]
    stage: LifecycleStage
    stage_reason: str
    changes_at: datetime | None = field(default=None)


def classify(history: History, at: datetime, rules: Rules) -> Verdict:
    """Return what the person is at `at`."""
    reasons = _types(history, at, rules)
    stage, stage_reason = _stage(history, reasons)
    return Verdict(
        tuple(reasons),
        {str(each): why for each, why in reasons.items()},
        stage,
        stage_reason,
        _changes_at(history, at, rules),
    )


def _types(history: History, at: datetime, rules: Rules) -> dict[CustomerType, str]:
    reasons: dict[CustomerType, str] = {}
    if history.purchases == 0:
        reasons["potential"] = "no_purchase"
    else:
        reasons["actual"] = "has_purchased"
        reasons |= _by_rhythm(history, at, rules)
    if (
        history.purchases >= rules.discount_seeking_purchases
        and 100 * history.discounted >= rules.discount_seeking_percent * history.purchases
    ):
        reasons["discount_seeking"] = f"{rules.discount_seeking_percent}_percent_discounted"
    reasons |= dict.fromkeys(history.by_hand, "by_hand")
    if history.through_intermediary:
        reasons["external"] = "buys_through_intermediary"
    return reasons


def _by_rhythm(history: History, at: datetime, rules: Rules) -> dict[CustomerType, str]:
    if not _within(history.newest[0], at, rules.active_for):
        return {"former": f"no_purchase_within_{rules.active_for.days}_days"}
    if history.purchases == 1 and _within(history.newest[0], at, rules.new_for):
        return {"new": f"one_purchase_within_{rules.new_for.days}_days"}
    if not _is_regular(history, at, rules):
        return {}
    reasons: dict[CustomerType, str] = {
        "regular": f"{rules.regular_purchases}_purchases_within_{rules.regular_within.days}_days"
    }
    seldom_discounted = 100 * history.discounted <= rules.loyal_discounted_percent * history.purchases
    if seldom_discounted and history.attitude not in BAD_ATTITUDES:
        reasons["loyal"] = "behaviour" if history.attitude is None else "behaviour_and_attitude"
    return reasons


def _is_regular(history: History, at: datetime, rules: Rules) -> bool:
    needed = rules.regular_purchases
    return len(history.newest) >= needed and _within(history.newest[needed - 1], at, rules.regular_within)


def _stage(history: History, reasons: dict[CustomerType, str]) -> tuple[LifecycleStage, str]:
    if history.purchases == 0:
        return ("acquisition", "engaged") if history.engaged else ("reach", "known")
    if "former" in reasons:
        return "lapsed", reasons["former"]
    if "loyal" in reasons:
        return "loyalty", "loyal"
    return ("conversion", "first_purchase") if history.purchases == 1 else ("retention", "repeat_purchase")


def _changes_at(history: History, at: datetime, rules: Rules) -> datetime | None:
    """Return the first instant after `at` at which time alone may give another verdict."""
    borders = [history.next_at] if history.next_at is not None else []
    if history.newest:
        borders.append(history.newest[0] + rules.active_for)
    if history.purchases == 1:
        borders.append(history.newest[0] + rules.new_for)
    if len(history.newest) >= rules.regular_purchases:
        borders.append(history.newest[rules.regular_purchases - 1] + rules.regular_within)
    return min((border + TICK for border in borders if border + TICK > at), default=None)


def _within(moment: datetime, at: datetime, window: timedelta) -> bool:
    return at - window <= moment < at
