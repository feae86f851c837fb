from __future__ import annotations

import httpx

from shared.contracts.customers import CustomerClassified, CustomerCreated, CustomerStageChanged, PurchaseRecorded
from shared.service import Runtime
from tests.support.events import published, turn


async def test_a_purchase_by_somebody_unknown_opens_a_customer_and_classifies_them(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    reply = await client.post(
        "/v1/purchases",
        json={"phone": "۰۹۹۹ ۰۰۰ ۱۲۳۴", "lines": [{"product": "saffron-1g", "amount_minor": 2_500_000}]},
    )

    assert reply.status_code == 201, reply.text
    assert await turn(runtime, "classify customers") == 1
    person_id = reply.json()["person_id"]
    customer = (await client.get(f"/v1/customers/{person_id}")).json()
    assert (customer["types"], customer["stage"]) == (["actual", "new"], "conversion")
    assert [str(event.person_id) for event in await published(runtime, CustomerCreated)] == [person_id]
    assert [event.amount_minor for event in await published(runtime, PurchaseRecorded)] == [2_500_000]
    assert [event.after for event in await published(runtime, CustomerClassified)] == [("actual", "new")]
    assert [event.after for event in await published(runtime, CustomerStageChanged)] == ["conversion"]
