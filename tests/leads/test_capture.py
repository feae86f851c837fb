from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from services.leads.app import SERVICE
from services.leads.persons.identity import hold_known_by, locks_of
from services.leads.persons.sql import LOCKS
from shared.clock import moved, utcnow
from shared.contracts.leads import LeadCaptured, LeadRecaptured, LeadStageChanged
from shared.persian.digits import to_latin, to_persian
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.leads.story import agent, captured, count, number, person_of, read
from tests.support import api
from tests.support.api import ALL_SCOPES
from tests.support.events import published, published_cards

TEHRAN = ZoneInfo("Asia/Tehran")
FORMS = ("09990001234", "9990001234", "+98 999 000 1234", "0098-999-000-1234", "98 (999) 0001234")


def arabic(text: str) -> str:
    return text.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))


async def test_a_capture_is_kept_published_and_answered_with_the_lead(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(
        client, first_name="سارا", last_name="نمونه", phone="۰۹۹۹ ۰۰۰ ۱۲ ۳۴", campaign="yalda", province="tehran"
    )

    assert (lead["phone"], lead["phone_typed"]) == ("+989990001234", "۰۹۹۹ ۰۰۰ ۱۲ ۳۴")
    assert (lead["status"], lead["funnel_stage"], lead["recaptured"]) == ("new", "awareness", False)
    [event] = await published(runtime, LeadCaptured)
    assert (str(event.lead_id), event.source, event.campaign, event.province) == (
        lead["id"], "website", "yalda", "tehran",
    )  # fmt: skip
    assert event.response_due_at == event.occurred_at + timedelta(minutes=5)
    card = (await published_cards(runtime))[person_of(lead)]
    assert card is not None
    assert (card.kind, card.first_name, card.phones) == ("lead", "سارا", ("+989990001234",))


async def test_a_number_in_five_forms_and_three_scripts_is_one_person(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    typed = [digits(form) for form in FORMS for digits in (to_latin, to_persian, arabic)]
    leads = [await captured(client, phone=number) for number in typed]

    assert len(set(typed)) == 15
    assert len({lead["id"] for lead in leads}) == 1
    assert [lead["recaptured"] for lead in leads] == [False] + [True] * 14
    assert await count(runtime, "persons") == 1


async def test_a_hundred_captures_at_once_are_one_lead(runtime: Runtime, client: httpx.AsyncClient) -> None:
    body = {"phone": "09990001234", "source": "website", "product": "crm"}
    replies = await asyncio.gather(*(client.post("/v1/leads", json=body) for _ in range(100)))

    assert Counter(reply.status_code for reply in replies) == {201: 1, 200: 99}
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert await count(runtime, "leads") == 1
    assert await count(runtime, "persons") == 1
    assert await count(runtime, "touches") == 100
    assert len(await published(runtime, LeadCaptured)) == 1
    assert len(await published(runtime, LeadRecaptured)) == 99
    assert (await read(client, replies[0].json()))["recaptures"] == 99


async def test_captures_by_number_and_by_address_of_one_person_at_once_are_one_lead(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    known = await captured(client, phone="09990001234", email="sara@example.com", product="other")
    ways = [{"phone": "09990001234"}, {"email": "SARA@example.com"}] * 10
    replies = await asyncio.gather(*(client.post("/v1/leads", json=way) for way in ways))

    assert Counter(reply.status_code for reply in replies) == {201: 1, 200: 19}
    assert {reply.json()["person_id"] for reply in replies} == {known["person_id"]}
    assert await count(runtime, "leads") == 2


async def test_captures_of_many_people_at_once_are_a_lead_each(runtime: Runtime, client: httpx.AsyncClient) -> None:
    phones = [f"099900077{n:02}" for n in range(30)]
    replies = await asyncio.gather(*(client.post("/v1/leads", json={"phone": phone}) for phone in phones * 2))

    assert Counter(reply.status_code for reply in replies) == {201: 30, 200: 30}
    assert await count(runtime, "leads") == 30


async def test_the_same_person_has_a_lead_a_product(client: httpx.AsyncClient) -> None:
    one = await captured(client, phone="09990001234", product="crm")
    other = await captured(client, phone="09990001234", product="club")

    assert one["id"] != other["id"]
    assert one["person_id"] == other["person_id"]


async def test_where_a_deployment_says_so_a_person_has_one_open_lead_whatever_the_product(
    make_runtime: MakeRuntime,
) -> None:
    runtime = await make_runtime(SERVICE, round_the_clock=True, one_open_lead_per="person")
    async with api.client(runtime) as client:
        one = await captured(client, phone="09990001234", product="crm")
        assert (await captured(client, phone="09990001234", product="club"))["id"] == one["id"]


async def test_after_a_conversion_the_person_can_have_a_new_lead(client: httpx.AsyncClient) -> None:
    first = await captured(client, phone="09990001234")
    await client.post(f"/v1/leads/{first['id']}/convert")
    second = await captured(client, phone="09990001234")

    assert second["id"] != first["id"]
    assert second["person_id"] == first["person_id"]


async def test_a_recapture_adds_what_was_not_known_and_changes_nothing_else(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await captured(client, phone="09990001234", first_name="سارا")
    again = await captured(client, phone="09990001234", first_name="ساره", email="Sara@Example.com", city="شیراز")

    assert (again["first_name"], again["email"], again["city"]) == ("سارا", "sara@example.com", "شیراز")
    card = (await published_cards(runtime))[person_of(again)]
    assert card is not None
    assert card.emails == ("sara@example.com",)


@pytest.mark.parametrize("product", [None, "club"])
async def test_a_yes_and_when_it_was_said_first_are_kept_whatever_is_told_later(
    runtime: Runtime, client: httpx.AsyncClient, product: str | None
) -> None:
    for days in (2, 1):
        with moved(timedelta(days=-days)):
            await captured(client, phone="09990001234", accepts_promotional=True)
    await captured(client, phone="09990001234", product=product)

    async with runtime.db.connection() as connection:
        query = "SELECT promotional_consent_at FROM persons WHERE accepts_promotional"
        said_at = await connection.fetchval(query)
    assert utcnow() - said_at > timedelta(days=1.9)


async def test_a_recapture_is_a_touch_with_its_own_source_and_note(client: httpx.AsyncClient) -> None:
    lead = await captured(client, phone="09990001234", note="بار نخست")
    await captured(client, phone="09990001234", source="social", campaign="yalda", note="بار دوم")

    touches = (await client.get(f"/v1/leads/{lead['id']}/touches")).json()["items"]
    assert [(touch["kind"], touch["source"], touch["note"]) for touch in touches] == [
        ("capture", "website", None),
        ("recapture", "social", "بار دوم"),
    ]


async def test_an_address_alone_is_enough_and_its_case_does_not_matter(client: httpx.AsyncClient) -> None:
    first = await captured(client, email="Sara.Nemooneh@Example.com")

    assert first["email"] == "sara.nemooneh@example.com"
    assert (await captured(client, email="sara.nemooneh@EXAMPLE.COM"))["id"] == first["id"]


async def test_a_number_that_comes_later_joins_the_person_of_the_address(client: httpx.AsyncClient) -> None:
    first = await captured(client, email="sara@example.com")
    second = await captured(client, email="sara@example.com", phone="09990001234")

    assert second["id"] == first["id"]
    assert second["phone"] == "+989990001234"
    assert (await captured(client, phone="09990001234"))["id"] == first["id"]


async def test_the_number_decides_and_an_address_in_common_is_a_possible_duplicate(client: httpx.AsyncClient) -> None:
    first = await captured(client, phone="09990001234", email="office@example.com")
    second = await captured(client, phone="09990005678", email="office@example.com")

    assert second["person_id"] != first["person_id"]
    assert second["possible_duplicate_of"] == first["person_id"]


async def test_a_walk_in_is_born_answered(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, source="walk_in")

    assert (lead["response_due_at"], lead["answered_in_time"], lead["status"]) == (None, True, "working")
    [event] = await published(runtime, LeadCaptured)
    assert event.born_answered
    [stage] = await published(runtime, LeadStageChanged)
    assert (stage.before, stage.after) == ("awareness", "consideration")


@pytest.mark.parametrize(
    "fields", [{"direction": "outbound"}, {"source": "import"}, {"source": "walk_in", "direction": "outbound"}]
)
async def test_nobody_waits_for_an_answer_who_did_not_ask(client: httpx.AsyncClient, fields: dict[str, str]) -> None:
    lead = await captured(client, **fields)

    assert lead["response_due_at"] is None
    assert lead["answered_at"] is None


async def test_the_due_time_is_in_working_time(make_runtime: MakeRuntime) -> None:
    days = ("sat", "sun", "mon", "tue", "wed", "thu", "fri")
    tomorrow = (utcnow() + timedelta(days=1)).astimezone(TEHRAN).date()
    yesterday, today = tomorrow - timedelta(days=2), tomorrow - timedelta(days=1)
    runtime = await make_runtime(
        SERVICE, working_days=days, holiday_country="", extra_holidays=(yesterday, today, tomorrow)
    )
    async with api.client(runtime) as client:
        lead = await captured(client)

    due = datetime.fromisoformat(lead["response_due_at"]).astimezone(TEHRAN)
    assert (due.date(), due.hour, due.minute) == (tomorrow + timedelta(days=1), 8, 35)


async def test_the_same_idempotency_key_captures_once(runtime: Runtime, client: httpx.AsyncClient) -> None:
    body = {"phone": "09990001234"}
    first, again = [await client.post("/v1/leads", json=body, headers={"Idempotency-Key": "form-1"}) for _ in range(2)]

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert await count(runtime, "touches") == 1


@pytest.mark.parametrize("scopes", [ALL_SCOPES, ("leads:write",)])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "form-1"}])
async def test_a_capture_is_answered_as_the_lead_is_read(
    runtime: Runtime, client: httpx.AsyncClient, scopes: tuple[str, ...], headers: dict[str, str]
) -> None:
    await agent(client)
    body = {"phone": number(), "first_name": "سارا", "email": "sara@example.com", "note": "بعدازظهر"}
    captures = [body, body | {"product": "crm"}, body | {"product": "erp", "source": "walk_in"}, body]
    async with api.client(runtime, scopes) as http:
        for place, capture in enumerate(captures):
            key = {name: f"{value}-{place}" for name, value in headers.items()}
            reply = await http.post("/v1/leads", json=capture, headers=key)
            found = await http.get(f"/v1/leads/{reply.json()['id']}")

            assert reply.json() == found.json() | {"recaptured": place == 3}
            assert reply.headers["etag"] == found.headers["etag"]
            assert reply.status_code == (200 if place == 3 else 201)


async def test_only_a_new_lead_is_given_to_an_agent(client: httpx.AsyncClient) -> None:
    await agent(client)
    first = await captured(client, phone=FORMS[0])
    await captured(client, phone=FORMS[0])
    second = await captured(client, phone=FORMS[0], product="crm")

    assert first["agent_id"] == second["agent_id"] is not None
    [only] = (await client.get("/v1/agents")).json()["items"]
    assert only["open_leads"] == 2


BAD = [
    pytest.param({}, {"/phone", "/email"}, "phone_or_email_needed", id="neither number nor address"),
    pytest.param({"phone": ""}, {"/phone"}, "not_a_phone", id="empty number"),
    pytest.param({"phone": "سلام"}, {"/phone"}, "not_a_phone", id="words for a number"),
    pytest.param({"phone": "0999000"}, {"/phone"}, "not_a_phone", id="too short"),
    pytest.param({"phone": "0" * 100_000}, {"/phone"}, "string_too_long", id="huge number"),
    pytest.param({"phone": "021 8888 0000"}, {"/phone"}, "landline", id="landline"),
    pytest.param({"phone": "30007732000000"}, {"/phone"}, "line_number", id="line of a panel"),
    pytest.param({"phone": 9990001234}, {"/phone"}, "string_type", id="number without quotes"),
    pytest.param({"phone": None, "email": None}, {"/phone", "/email"}, "phone_or_email_needed", id="nulls"),
    pytest.param({"email": "sara@"}, {"/email"}, "not_an_email", id="no host"),
    pytest.param({"email": "سارا@example.com"}, {"/email"}, "not_an_email", id="Persian mailbox"),
    pytest.param({"email": "a..b@example.com"}, {"/email"}, "not_an_email", id="two dots"),
    pytest.param({"email": f"{'a' * 300}@example.com"}, {"/email"}, "string_too_long", id="long address"),
    pytest.param({"first_name": "\u202e\u2066"}, {"/first_name"}, "empty", id="nothing but bidi marks"),
    pytest.param({"first_name": "   "}, {"/first_name"}, "empty", id="blank name"),
    pytest.param({"first_name": "س" * 101}, {"/first_name"}, "string_too_long", id="long name"),
    pytest.param({"first_name": "سا\x00را"}, {"/first_name"}, "unkeepable_text", id="NUL"),
    pytest.param({"note": "ن" * 5001}, {"/note"}, "string_too_long", id="huge note"),
    pytest.param({"product": "کفش"}, {"/product"}, "string_pattern_mismatch", id="product that is no code"),
    pytest.param({"campaign": ""}, {"/campaign"}, "string_too_short", id="empty campaign"),
    pytest.param({"source": "telepathy"}, {"/source"}, "literal_error", id="unknown source"),
    pytest.param({"cost_minor": -1}, {"/cost_minor"}, "greater_than_equal", id="negative cost"),
    pytest.param({"cost_minor": 2**53}, {"/cost_minor"}, "less_than_equal", id="cost that not every reader keeps"),
    pytest.param({"cost_minor": 1.5}, {"/cost_minor"}, "int_type", id="part of a rial"),
    pytest.param({"cost_minor": True}, {"/cost_minor"}, "int_type", id="a truth as money"),
    pytest.param({"currency": "toman"}, {"/currency"}, "string_pattern_mismatch", id="toman"),
    pytest.param({"currency": "EUR"}, {"/currency"}, "unknown_currency", id="a currency that is not configured"),
    pytest.param({"referrer_person_id": "me"}, {"/referrer_person_id"}, "uuid_parsing", id="no id"),
    pytest.param({"phonenumber": "1"}, {"/phonenumber"}, "extra_forbidden", id="unknown field"),
]


async def test_a_lead_may_cost_and_bring_as_much_as_a_purchase_may_come_to(client: httpx.AsyncClient) -> None:
    most = {"cost_minor": 2**53 - 1, "expected_amount_minor": 2**53 - 1}
    reply = await client.post("/v1/leads", json={"phone": "09990001234", **most})

    assert reply.status_code == 201
    assert reply.json()["expected_amount_minor"] == 2**53 - 1


async def test_where_there_are_no_rials_a_lead_says_its_currency_once_it_tells_of_money(
    make_runtime: MakeRuntime,
) -> None:
    runtime = await make_runtime(SERVICE, round_the_clock=True, currencies={"EUR": 2, "USD": 2})
    async with api.client(runtime) as client:
        without = await captured(client)
        for fields in ({"cost_minor": 5}, {"expected_amount_minor": 5}, {"currency": "IRR"}):
            reply = await client.post("/v1/leads", json={"phone": number()} | fields)
            changed = await client.patch(f"/v1/leads/{without['id']}", json=fields)
            assert [reply.status_code, changed.status_code] == [422, 422]
            said = {each.json()["detail"] for each in (reply, changed)}
            assert said == {"IRR is not taken here; configured are EUR, USD."}
        patch = {"currency": "EUR", "expected_amount_minor": 5}
        euros = (await client.patch(f"/v1/leads/{without['id']}", json=patch)).json()
        assert (euros["currency"], euros["expected_amount_minor"]) == ("EUR", 5)
        assert (await captured(client, currency="USD", cost_minor=5))["currency"] == "USD"


@pytest.mark.parametrize(("fields", "pointers", "code"), BAD)
async def test_what_does_not_fit_is_refused_by_name_and_leaves_nothing_behind(
    runtime: Runtime, client: httpx.AsyncClient, fields: dict[str, object], pointers: set[str], code: str
) -> None:
    body = fields if pointers & {"/phone", "/email"} else {"phone": "09990001234"} | fields
    reply = await client.post("/v1/leads", json=body)

    assert reply.status_code == 422
    errors = reply.json()["errors"]
    assert {error["pointer"] for error in errors} == pointers
    assert {error["code"] for error in errors} == {code}
    assert [await count(runtime, table) for table in ("persons", "leads", "touches", "outbox")] == [0, 0, 0, 0]


async def test_a_refusal_can_be_read_in_persian(client: httpx.AsyncClient) -> None:
    reply = await client.post("/v1/leads", json={"phone": "02188880000"}, headers={"Accept-Language": "fa"})

    assert "تلفن ثابت" in reply.json()["errors"][0]["message"]


async def test_marks_that_could_show_a_name_as_another_are_not_kept(client: httpx.AsyncClient) -> None:
    lead = await captured(client, first_name="\u202eسارا\u202c", last_name="  نمونه ", phone="\u202a09990001234\u202c")

    assert (lead["first_name"], lead["last_name"], lead["phone"]) == ("سارا", "نمونه", "+989990001234")


async def test_an_unknown_lead_is_not_found(client: httpx.AsyncClient) -> None:
    reply = await client.get(f"/v1/leads/{UUID(int=7)}")

    assert (reply.status_code, reply.json()["code"]) == (404, "lead_not_found")


async def test_a_capture_waits_for_whoever_holds_its_address(runtime: Runtime, client: httpx.AsyncClient) -> None:
    address = "o'neil@example.com"

    async with runtime.db.transaction() as other:
        await hold_known_by(other, phone=None, email=address)
        capture = asyncio.create_task(captured(client, phone=number(), email=address))
        await asyncio.wait([capture], timeout=0.2)
        assert not capture.done()

    assert (await capture)["email"] == address


def test_the_database_is_not_told_whom_a_capture_waits_for() -> None:
    locks = {lock for each in range(3_000) for lock in locks_of(f"+98999000{each:04}", None)}

    assert len(locks) > 2_900
    assert all(0 <= lock < LOCKS for lock in locks)
