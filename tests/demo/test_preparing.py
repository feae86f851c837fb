"""What the demo changes in a deployment is put back; what it may not touch is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import pytest

from services.demo.client import Api, DemoFailed
from services.demo.person import Person
from services.demo.preparing import ensure_sandbox_panel, survey_soon_after

SHIPPED: list[dict[str, Any]] = [
    {"type": "wait", "days": 3, "by_product": {"tea-500": 60}},
    {"type": "survey", "survey": "csat_purchase"},
]


class Automations:
    """An API that keeps one automation."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = copy.deepcopy(SHIPPED)

    def change(self, _path: str, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.steps = edit({"steps": copy.deepcopy(self.steps)})["steps"]


class Panels:
    """An API with provider accounts."""

    def __init__(self, *addresses: str) -> None:
        line = {"number": "30007732000000"}
        self.items = [
            {"name": "panel", "kind": "smsir", "active": True, "base_url": address, "lines": [line]}
            for address in addresses
        ]

    def get(self, _path: str) -> dict[str, Any]:
        return {"items": self.items}


@pytest.mark.parametrize("ended_by", [None, DemoFailed("no"), KeyboardInterrupt()])
def test_the_delay_is_shortened_for_one_product_and_put_back_however_it_ends(ended_by: BaseException | None) -> None:
    automations = Automations()

    def play() -> None:
        with survey_soon_after(cast("Api", automations), "demo-1"):
            during.append(copy.deepcopy(automations.steps))
            if ended_by is not None:
                raise ended_by

    during: list[list[dict[str, Any]]] = []
    if ended_by is None:
        play()
    else:
        with pytest.raises(type(ended_by)):
            play()

    assert during[0][0]["by_product"].keys() == {"tea-500", "demo-1"}
    assert automations.steps == SHIPPED


def test_what_failed_first_is_told_first_where_nothing_can_be_put_back() -> None:
    class Gone(Automations):
        def change(self, path: str, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
            if self.steps != SHIPPED:
                raise DemoFailed("Nobody answers.")
            super().change(path, edit)

    with (
        pytest.raises(DemoFailed, match=r"^Step 4 did not happen\. .* could not be put back: Nobody answers\.$"),
        survey_soon_after(cast("Api", Gone()), "demo-1"),
    ):
        raise DemoFailed("Step 4 did not happen.")


def test_a_deployment_that_sends_by_a_real_panel_is_left_alone() -> None:
    with pytest.raises(DemoFailed, match="not to the sandbox"):
        ensure_sandbox_panel(cast("Api", Panels("https://api.sms.ir/v1")))


def test_a_deployment_that_sends_to_the_sandbox_is_used_as_it_is() -> None:
    panels = Panels("http://127.0.0.1:8000/sandbox/smsir/v1")

    assert ensure_sandbox_panel(cast("Api", panels)) == "30007732000000"


def test_the_customer_types_a_number_that_nobody_can_be_called_at_in_persian_digits() -> None:
    person = Person("09990001234")

    assert person.typed == "۰۹۹۹ ۰۰۰ ۱۲ ۳۴"
    assert person.product == "demo-1234"
