"""Scales and the categories of the answers on them. Pure; the borders are DOMAIN.md's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from shared.contracts.surveys import Category

Kind = Literal["csat", "nps", "ces"]
Scale = Literal["1-3", "1-5", "1-10", "0-10", "1-7"]

UNHAPPY: Final = frozenset[Category]({"unsatisfied", "detractor"})
"""The categories of which the customer has to be answered: those that `customers` opens a complaint for."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A scale of a kind of survey: its ends, and what the answers from `good_from` on and up to `bad_to` are."""

    low: int
    high: int
    good_from: int
    bad_to: int
    good: Category
    middle: Category
    bad: Category

    def holds(self, value: int) -> bool:
        """Tell whether `value` is on the scale."""
        return self.low <= value <= self.high

    def category(self, value: int) -> Category:
        """Return what an answer means."""
        if value >= self.good_from:
            return self.good
        return self.bad if value <= self.bad_to else self.middle


RULES: Final[dict[tuple[str, str], Rule]] = {
    ("csat", "1-3"): Rule(1, 3, 3, 1, "satisfied", "neutral", "unsatisfied"),
    ("csat", "1-5"): Rule(1, 5, 4, 2, "satisfied", "neutral", "unsatisfied"),
    ("csat", "1-10"): Rule(1, 10, 8, 4, "satisfied", "neutral", "unsatisfied"),
    ("nps", "0-10"): Rule(0, 10, 9, 6, "promoter", "passive", "detractor"),
    ("ces", "1-7"): Rule(1, 7, 5, 3, "easy", "neutral", "hard"),
}


def scales_of(kind: str) -> list[str]:
    """Return the scales that a kind of survey can have."""
    return [scale for of, scale in RULES if of == kind]
