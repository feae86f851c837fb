"""Whether a message may leave: the decision chain, in its order. Pure rules over facts that were gathered before.

person → consent → suppression → frequency → automation → lint → hours → line. The first step that does not pass ends
the chain. Every step says what it found, so that "why was this sent, or not?" has an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from services.messaging.contacts.cards import Card
from services.messaging.messages.hours import opens_at
from services.messaging.messages.lint import LintRules, lint
from services.messaging.providers.routing import Route, without_suppressed


class Outcome(StrEnum):
    """What a step says."""

    PASS = "pass"  # noqa: S105  (a verdict)
    HOLD = "hold"
    SUPPRESS = "suppress"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one step found. `until` is when to look again at a message that is held."""

    step: str
    outcome: Outcome
    reason: str | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as it is recorded."""
        until = {"until": self.until.isoformat()} if self.until else {}
        return {"step": self.step, "outcome": self.outcome.value, "reason": self.reason, **until}


@dataclass(frozen=True, slots=True)
class Limits:
    """The deployment's settings that the chain decides by."""

    per_day: int
    per_week: int
    card_wait: timedelta
    lint: LintRules
    zone: ZoneInfo
    recheck_card: timedelta = timedelta(seconds=5)
    recheck_route: timedelta = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What stands against an address: own opt-outs and operators' blacklists, each by line or purpose."""

    own: frozenset[tuple[str, str]] = frozenset()
    operator_purposes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known when one message is decided on."""

    now: datetime
    channel: str
    purpose: str
    created_at: datetime
    not_after: datetime
    card: Card | None
    erased: bool
    awaits_card: bool
    suppressed: Suppressed = Suppressed()
    promotion_paused_until: datetime | None = None
    promotional_day: int = 0
    promotional_week: int = 0
    automation_active: bool = True
    routes: Sequence[Route] = ()
    render: Callable[[], str] = field(default=lambda: "")


@dataclass(frozen=True, slots=True)
class Decision:
    """The end of the chain: the steps taken, and the route where all passed."""

    steps: tuple[Verdict, ...]
    route: Route | None = None

    @property
    def last(self) -> Verdict:
        return self.steps[-1]


class RenderingFailed(Exception):
    """The template cannot be rendered; `reason` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decide(facts: Facts, limits: Limits) -> Decision:
    """Run the chain. It passed where the last step's outcome is PASS; then there is a route."""
    steps: list[Verdict] = []
    for verdict in _chain(facts, limits):
        steps.append(verdict)
        if verdict.outcome is not Outcome.PASS:
            return Decision(tuple(steps))
    return Decision(tuple(steps), _open_route(facts, limits))


def _chain(facts: Facts, limits: Limits) -> Iterator[Verdict]:
    yield _freshness(facts)
    yield _person(facts, limits)
    yield _consent(facts)
    yield _suppression(facts)
    yield _frequency(facts, limits)
    yield _automation(facts)
    yield _lint(facts, limits)
    yield _hours(facts, limits)
    yield _line(facts, limits)


def _freshness(facts: Facts) -> Verdict:
    if facts.now > facts.not_after:
        return Verdict("freshness", Outcome.SUPPRESS, "stale")
    return Verdict("freshness", Outcome.PASS)


def _person(facts: Facts, limits: Limits) -> Verdict:
    waits_until = facts.created_at + limits.card_wait
    if facts.erased:
        return Verdict("person", Outcome.SUPPRESS, "erased")
    if (facts.card is None or facts.awaits_card) and facts.now < waits_until:
        return Verdict("person", Outcome.HOLD, "awaiting_card", min(waits_until, facts.now + limits.recheck_card))
    if facts.card is None:
        return Verdict("person", Outcome.SUPPRESS, "no_card")
    if facts.card.address(facts.channel) is None:
        return Verdict("person", Outcome.SUPPRESS, "no_phone" if facts.channel == "sms" else "no_email")
    return Verdict("person", Outcome.PASS)


def _consent(facts: Facts) -> Verdict:
    """What is transactional was asked for; staff get no promotion; everybody else as their card says."""
    card = facts.card
    if card is None or facts.purpose == "transactional":
        return Verdict("consent", Outcome.PASS)
    agreed = card.accepts_promotional if facts.purpose == "promotional" else card.accepts_service
    return Verdict("consent", Outcome.PASS) if agreed else Verdict("consent", Outcome.SUPPRESS, "no_consent")


def _suppression(facts: Facts) -> Verdict:
    """An operator's word for every purpose means that there is no such address."""
    if "" in facts.suppressed.operator_purposes:
        return Verdict("suppression", Outcome.SUPPRESS, "no_such_address")
    if facts.purpose in facts.suppressed.operator_purposes:
        return Verdict("suppression", Outcome.SUPPRESS, "blacklisted")
    if facts.purpose == "promotional" and facts.promotion_paused_until and facts.now < facts.promotion_paused_until:
        return Verdict("suppression", Outcome.SUPPRESS, "promotion_paused")
    if _opted_out(facts):
        return Verdict("suppression", Outcome.SUPPRESS, "opted_out")
    return Verdict("suppression", Outcome.PASS)


def _opted_out(facts: Facts) -> bool:
    """A line that was opted out of is closed; promotion then finds no other way round either."""
    own = {(line, purpose) for line, purpose in facts.suppressed.own if purpose in {"", facts.purpose}}
    if any(line == "" for line, _ in own) or (own and facts.purpose == "promotional"):
        return True
    return bool(facts.routes) and not without_suppressed(facts.routes, {line for line, _ in own})


def _frequency(facts: Facts, limits: Limits) -> Verdict:
    if facts.purpose == "promotional":
        if facts.promotional_day >= limits.per_day:
            return Verdict("frequency", Outcome.SUPPRESS, "daily_cap")
        if facts.promotional_week >= limits.per_week:
            return Verdict("frequency", Outcome.SUPPRESS, "weekly_cap")
    return Verdict("frequency", Outcome.PASS)


def _automation(facts: Facts) -> Verdict:
    if not facts.automation_active:
        return Verdict("automation", Outcome.SUPPRESS, "automation_off")
    return Verdict("automation", Outcome.PASS)


def _lint(facts: Facts, limits: Limits) -> Verdict:
    try:
        text = facts.render()
    except RenderingFailed as failure:
        return Verdict("lint", Outcome.FAIL, failure.reason)
    fault = lint(text, channel=facts.channel, purpose=facts.purpose, rules=limits.lint)
    return Verdict("lint", Outcome.SUPPRESS, fault) if fault else Verdict("lint", Outcome.PASS)


def _hours(facts: Facts, limits: Limits) -> Verdict:
    usable = _usable(facts)
    if not usable:
        return Verdict("hours", Outcome.PASS)
    opening = min(opens_at(facts.now, route.hours, facts.purpose, limits.zone) for route in usable)
    if opening > facts.now:
        return Verdict("hours", Outcome.HOLD, "outside_hours", opening)
    return Verdict("hours", Outcome.PASS)


def _line(facts: Facts, limits: Limits) -> Verdict:
    route = _open_route(facts, limits)
    if route is None:
        reason = "account_paused" if facts.routes else "no_line"
        patience = max(limits.recheck_route, (facts.now - facts.created_at) / 8)
        return Verdict("line", Outcome.HOLD, reason, facts.now + patience)
    return Verdict("line", Outcome.PASS, route.line)


def _usable(facts: Facts) -> list[Route]:
    own = {line for line, purpose in facts.suppressed.own if purpose in {"", facts.purpose}}
    return [route for route in without_suppressed(facts.routes, own) if not route.paused]


def _open_route(facts: Facts, limits: Limits) -> Route | None:
    for route in _usable(facts):
        if opens_at(facts.now, route.hours, facts.purpose, limits.zone) <= facts.now:
            return route
    return None
