"""Two ids for one person, whose facts and cards come in any order: one customer in the end, whoever lives on."""

from __future__ import annotations

from itertools import permutations

import httpx

from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import card, converted
from tests.support.events import deliver


async def test_in_whatever_order_their_facts_and_cards_come_they_are_one_customer(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    orders = [order for order in permutations(range(4)) if order.index(0) < order.index(1)]  # the others mirror these
    for number, order in enumerate(orders):
        phone, ids = f"+98999000{number:04}", (new_id(), new_id())
        come = (converted(ids[0]), converted(ids[1]), card(ids[0], phone), card(ids[1], phone))
        for place in order:
            await deliver(runtime, come[place])

        found = [(await client.get(f"/v1/customers/{each}")).json() for each in ids]
        assert found[0]["id"] == found[1]["id"], order
        assert {*found[0]["alias_ids"], found[0]["id"]} == {str(each) for each in ids}, order
        assert (found[0]["first_name"], found[0]["phones"]) == ("سارا", [phone]), order
