"""The categories of answers, by the table of DOMAIN.md."""

from __future__ import annotations

import pytest

from services.surveys.scales import RULES, UNHAPPY

TABLE = {
    ("csat", "1-3"): "unsatisfied neutral satisfied",
    ("csat", "1-5"): "unsatisfied unsatisfied neutral satisfied satisfied",
    ("csat", "1-10"): "unsatisfied " * 4 + "neutral " * 3 + "satisfied " * 3,
    ("nps", "0-10"): "detractor " * 7 + "passive " * 2 + "promoter " * 2,
    ("ces", "1-7"): "hard hard hard neutral easy easy easy",
}


@pytest.mark.parametrize("survey", TABLE)
def test_every_value_of_every_scale_has_its_category(survey: tuple[str, str]) -> None:
    rule = RULES[survey]

    assert [rule.category(value) for value in range(rule.low, rule.high + 1)] == TABLE[survey].split()


def test_detractors_and_the_unsatisfied_have_to_be_answered() -> None:
    assert {rule.bad for rule in RULES.values() if rule.bad in UNHAPPY} == {"detractor", "unsatisfied"}


@pytest.mark.parametrize("survey", TABLE)
def test_a_scale_ends_where_its_name_says(survey: tuple[str, str]) -> None:
    low, high = map(int, survey[1].split("-"))

    held = [value for value in range(low - 2, high + 3) if RULES[survey].holds(value)]
    assert held == list(range(low, high + 1))
