from __future__ import annotations

import asyncio
from typing import Any

import httpx

from shared.contracts.cards import CalendarDate, ContactCard
from shared.contracts.customers import CustomerCreated, CustomerUpdated
from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, bought, opened
from tests.support import api
from tests.support.events import published, published_cards, turn


async def test_a_birthday_is_kept_in_the_calendar_that_it_was_given_in(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    jalali = await opened(client, birth_date_jalali="۱۳۶۹/۰۲/۲۲")
    gregorian = await opened(client, OTHER_PHONE, birth_date="1990-05-12")

    assert (jalali["birth_date"], jalali["birth_date_jalali"]) == ("1990-05-12", "1369-02-22")
    assert (gregorian["birth_date"], gregorian["birth_date_jalali"]) == ("1990-05-12", "1369-02-22")
    assert {each.birth_date for each in (await published_cards(runtime)).values() if isinstance(each, ContactCard)} == {
        CalendarDate(calendar="jalali", date="1369-02-22"),
        CalendarDate(calendar="gregorian", date="1990-05-12"),
    }


async def test_lookup_finds_a_customer_by_any_written_form_of_the_number(client: httpx.AsyncClient) -> None:
    customer = await opened(client)

    for form in [
        "09990001234",
        "+989990001234",
        "00989990001234",
        "989990001234",
        "9990001234",
        "۰۹۹۹ ۰۰۰ ۱۲۳۴",
        "٠٩٩٩٠٠٠١٢٣٤",
    ]:
        found = (await client.get("/v1/customers/lookup", params={"phone": form})).json()

        assert [each["id"] for each in found["items"]] == [customer["id"]], form


async def test_lookup_tells_types_purchases_tickets_and_preferences_in_one_answer(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client, accepts_promotional=True))["id"]
    for number in range(7):
        lines = [{"product": f"tea-{number}", "amount_minor": number}]
        await bought(
            client,
            person_id=person_id,
            amount_minor=number,
            lines=lines,
            occurred_at=f"2026-01-0{number + 1}T00:00:00Z",
        )
    ticket = await client.post("/v1/tickets", json={"person_id": person_id, "kind": "problem", "subject": "قطعی"})
    await turn(runtime, "classify customers")

    [caller] = (await client.get("/v1/customers/lookup", params={"phone": PHONE})).json()["items"]

    assert [each["products"] for each in caller["last_purchases"]] == [[f"tea-{number}"] for number in (6, 5, 4, 3, 2)]
    assert [(each["id"], each["subject"]) for each in caller["open_tickets"]] == [(ticket.json()["id"], "قطعی")]
    assert "actual" in caller["types"]
    assert caller["accepts_promotional"] is True


async def test_lookup_of_a_shared_number_answers_several(client: httpx.AsyncClient) -> None:
    one = await opened(client, "+989990000001", shared_phones=[PHONE])
    two = await opened(client, "+989990000002", shared_phones=[PHONE])

    found = (await client.get("/v1/customers/lookup", params={"phone": PHONE})).json()["items"]

    assert {each["id"] for each in found} == {one["id"], two["id"]}


async def test_a_number_becomes_shared_for_all_when_somebody_says_so(client: httpx.AsyncClient) -> None:
    one = await opened(client)
    two = await opened(client, OTHER_PHONE, shared_phones=[PHONE])

    seen = (await client.get(f"/v1/customers/{one['id']}")).json()
    assert (seen["phones"], seen["shared_phones"]) == ([], [PHONE])
    assert two["shared_phones"] == [PHONE]


async def test_lookup_of_a_stranger_answers_nobody_and_of_no_number_422(client: httpx.AsyncClient) -> None:
    nobody = await client.get("/v1/customers/lookup", params={"phone": PHONE})
    wrong = await client.get("/v1/customers/lookup", params={"phone": "سلام"})

    assert (nobody.status_code, nobody.json()["items"]) == (200, [])
    assert wrong.status_code == 422


async def test_a_number_that_is_known_is_refused_with_whose_it_is(client: httpx.AsyncClient) -> None:
    customer = await opened(client)

    reply = await client.post("/v1/customers", json={"phones": [OTHER_PHONE, "0999-000-1234"]})

    assert (reply.status_code, reply.json()["code"]) == (409, "customer_exists")
    assert reply.json()["errors"][0]["pointer"] == "/phones/1"
    assert customer["id"] in reply.json()["detail"]


async def test_one_number_at_once_opens_one_customer(runtime: Runtime, client: httpx.AsyncClient) -> None:
    replies = await asyncio.gather(*(client.post("/v1/customers", json={"phones": [PHONE]}) for _ in range(6)))

    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 5
    assert len(await published(runtime, CustomerCreated)) == 1


async def test_a_patch_changes_what_it_names_and_says_so(runtime: Runtime, client: httpx.AsyncClient) -> None:
    customer = await opened(client, first_name="سارا", city="تهران")

    reply = await client.patch(
        f"/v1/customers/{customer['id']}",
        json={"city": None, "province": "isfahan", "phones": [OTHER_PHONE]},
        headers={"If-Match": '"1"'},
    )

    assert reply.status_code == 200, reply.text
    changed = reply.json()
    assert (changed["first_name"], changed["city"], changed["phones"]) == ("سارا", None, [OTHER_PHONE])
    assert (changed["version"], reply.headers["etag"]) == (2, '"2"')
    [event] = await published(runtime, CustomerUpdated)
    assert (event.fields, event.province) == (("city", "phones", "province"), "isfahan")


async def test_a_patch_of_an_older_version_is_refused_and_one_without_change_keeps_the_version(
    client: httpx.AsyncClient,
) -> None:
    customer = await opened(client, first_name="سارا")
    path = f"/v1/customers/{customer['id']}"
    await client.patch(path, json={"first_name": "سارینا"}, headers={"If-Match": '"1"'})

    stale = await client.patch(path, json={"first_name": "نازنین"}, headers={"If-Match": '"1"'})
    same = await client.patch(path, json={"first_name": "سارینا"})

    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert same.json()["version"] == 2


async def test_null_takes_away_what_may_be_missing(client: httpx.AsyncClient) -> None:
    customer = await opened(client, city="ری", birth_date_jalali="1369-02-22")

    gone = {"city": None, "birth_date": None, "phones": None}
    changed = (await client.patch(f"/v1/customers/{customer['id']}", json=gone)).json()

    assert (changed["city"], changed["birth_date"], changed["phones"]) == (None, None, [])


async def test_an_external_id_is_known_again(client: httpx.AsyncClient) -> None:
    named = {"source": "shop", "external_id": "C-1"}
    customer = await opened(client, **named)

    again = await client.post("/v1/customers", json=named)
    unnamed = await client.post("/v1/customers", json={"external_id": "C-2"})

    assert customer["external_ids"] == [named]
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (409, "/external_id")
    assert unnamed.status_code == 422


async def test_patches_at_once_with_one_etag_let_one_through(client: httpx.AsyncClient) -> None:
    customer = await opened(client)
    path = f"/v1/customers/{customer['id']}"

    replies = await asyncio.gather(
        *(client.patch(path, json={"city": f"شهر {each}"}, headers={"If-Match": '"1"'}) for each in range(4))
    )

    assert sorted(reply.status_code for reply in replies) == [200, 412, 412, 412]


async def test_a_patch_cannot_take_another_customers_number(client: httpx.AsyncClient) -> None:
    await opened(client, OTHER_PHONE)
    customer = await opened(client)

    reply = await client.patch(f"/v1/customers/{customer['id']}", json={"phones": [PHONE, OTHER_PHONE]})

    assert (reply.status_code, reply.json()["code"]) == (409, "phone_taken")
    assert reply.json()["errors"][0]["pointer"] == "/phones/1"
    assert (await client.get(f"/v1/customers/{customer['id']}")).json()["phones"] == [PHONE]


MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"phones": ["12"]}, "/phones/0"),
    ({"phones": ["30007732000000"]}, "/phones/0"),
    ({"emails": ["sara"]}, "/emails/0"),
    ({"birth_date_jalali": "1403-12-31"}, "/birth_date_jalali"),
    ({"birth_date": "1990-02-30"}, "/birth_date"),
    ({"birth_date": "0001-01-01"}, "/birth_date"),
    ({"birth_date": "2200-01-01"}, "/birth_date"),
    ({"birth_date_jalali": "1590-01-01"}, "/birth_date_jalali"),
    ({"time_zone": "Mars/Olympus"}, "/time_zone"),
    ({"consent_at": "0001-01-01T00:00:00+14:00"}, "/consent_at"),
    ({"consent_at": "2200-01-01T00:00:00Z"}, "/consent_at"),
    ({"locale": "fa\n"}, "/locale"),
    ({"province": "تهران"}, "/province"),
    ({"kind": "robot"}, "/kind"),
    ({"gender": "x"}, "/gender"),
    ({"consent_at": "2026-01-01T00:00:00"}, "/consent_at"),
    ({"hand_types": ["loyal"]}, "/hand_types/0"),
    ({"locale": None}, "/"),
    ({"surprise": 1}, "/surprise"),
]


async def test_a_profile_that_does_not_fit_is_refused_by_field(client: httpx.AsyncClient) -> None:
    for body, pointer in MISFITS:
        reply = await client.post("/v1/customers", json=body)

        assert reply.status_code == 422, reply.text
        assert pointer in [error["pointer"] or "/" for error in reply.json()["errors"]]


async def test_a_name_of_nothing_but_spaces_is_refused_as_a_text(client: httpx.AsyncClient) -> None:
    reply = await client.post("/v1/customers", json={"first_name": "\u200c "})

    [error] = reply.json()["errors"]
    assert (error["code"], error["message"]) == (
        "string_too_short",
        "The text is too short; it needs at least 1 characters.",
    )


async def test_two_birth_dates_that_differ_are_refused(client: httpx.AsyncClient) -> None:
    reply = await client.post("/v1/customers", json={"birth_date": "1990-05-13", "birth_date_jalali": "1369-02-22"})

    assert reply.status_code == 422
    assert "1990-05-12" in reply.text


async def test_customers_are_listed_by_type_stage_province_and_the_beginning_of_the_name(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    sara = await opened(client, first_name="سارا", last_name="كريمی نمونه", province="tehran")
    nazanin = await opened(client, OTHER_PHONE, first_name="نازنین", last_name="آزمایشی", province="fars")
    await bought(client, person_id=sara["id"])
    await turn(runtime, "classify customers")

    async def ids(**params: str) -> list[str]:
        return [each["id"] for each in (await client.get("/v1/customers", params=params)).json()["items"]]

    assert await ids() == [nazanin["id"], sara["id"]]
    assert await ids(type="new") == [sara["id"]]
    assert await ids(type="potential") == [nazanin["id"]]
    assert await ids(stage="conversion") == [sara["id"]]
    assert await ids(province="fars") == [nazanin["id"]]
    assert await ids(name="سارا کریمی") == [sara["id"]]
    assert await ids(name="ــ") == []
    first = (await client.get("/v1/customers", params={"limit": 1})).json()
    rest = (await client.get("/v1/customers", params={"cursor": first["next_cursor"]})).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == [nazanin["id"], sara["id"]]
    other_filter = await client.get("/v1/customers", params={"cursor": first["next_cursor"], "stage": "reach"})
    assert (other_filter.status_code, other_filter.json()["code"]) == (422, "cursor_mismatch")


async def test_an_email_address_is_kept_as_all_services_compare_it(client: httpx.AsyncClient) -> None:
    customer = await opened(client, emails=["Sara۱@Example.com", "sara1@example.com"])

    assert customer["emails"] == ["sara1@example.com"]


async def test_names_and_numbers_are_masked_for_whoever_may_not_see_them(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    customer = await opened(client, first_name="سارا", emails=["sara@example.com"], birth_date="1990-05-12")

    async with api.client(runtime, ["customers:read"]) as reader:
        seen = (await reader.get(f"/v1/customers/{customer['id']}")).json()
        called = (await reader.get("/v1/customers/lookup", params={"phone": PHONE})).json()

    assert (seen["first_name"], seen["birth_date"], seen["emails"]) == ("س•••", None, ["s•••@example.com"])
    assert PHONE not in str(seen)
    assert PHONE not in str(called)


async def test_nobody_by_that_id_is_404(client: httpx.AsyncClient) -> None:
    reply = await client.get(f"/v1/customers/{new_id()}")

    assert (reply.status_code, reply.json()["code"]) == (404, "customer_not_found")


async def read(client: httpx.AsyncClient, person_id: str) -> str:
    return (await client.get(f"/v1/customers/{person_id}")).headers["ETag"]


async def test_what_a_customer_is_known_by_is_not_overwritten_by_whoever_read_it_before_it_grew(
    client: httpx.AsyncClient,
) -> None:
    customer = (await opened(client, first_name="سارا", source="shop", external_id="C-1"))["id"]
    other = await opened(client, OTHER_PHONE, first_name="سارا")
    by_name = {"source": "shop", "customer_external_id": "C-1", "amount_minor": 1}

    async def merge() -> None:
        await client.post(f"/v1/customers/{customer}/merge", json={"merged_id": other["id"]})

    async def buy_by_a_new_number() -> None:
        await bought(client, phone="+989990000003", **by_name)

    async def import_a_number() -> None:
        await client.post("/v1/customers/bulk", json=[{"phones": [PHONE, "+989990000004"]}])

    async def import_a_name() -> None:
        known = {"phones": [PHONE], "first_name": "سارا"}
        await client.post("/v1/customers/bulk", json=[known | {"source": "crm", "external_id": "7"}])

    async def share_their_number() -> None:
        await opened(client, "+989990000005", shared_phones=["+989990000004"])

    for grow in (merge, buy_by_a_new_number, import_a_number, import_a_name, share_their_number):
        before = await read(client, customer)
        await grow()
        overwriting = await client.patch(f"/v1/customers/{customer}", json={"city": "ری"}, headers={"If-Match": before})

        assert overwriting.status_code == 412, grow.__name__
    before = await read(client, customer)
    await bought(client, phone="+989990000003", **by_name)
    assert await read(client, customer) == before
