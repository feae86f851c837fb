"""Automations: what follows an event, once, in time, and never for what is long past."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.messaging.automations.advancing import Run, Sendable, advance
from services.messaging.automations.steps import Coupon, PausePromotion, Wait, read_steps, wait_s
from shared.clock import moved, utcnow
from shared.contracts.cards import LEADS_CONTACTS, CardVersion
from shared.contracts.customers import CouponIssued, CouponRefused, CustomerErased
from shared.contracts.leads import LeadConverted, LeadResponseOverdue
from shared.contracts.messaging import CouponRequested, SurveyRequested
from shared.contracts.surveys import SurveyAnswered, SurveyInvited
from shared.ids import new_id
from shared.service import Runtime
from tests.messaging.conftest import Panel
from tests.messaging.people import SARA_PHONE, captured, card, purchase
from tests.messaging.sending import fetchval, intent, known_person, queued, statuses
from tests.support.events import deliver, published, turn

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
STEP = "step automations"


async def work(runtime: Runtime) -> None:
    """Step automations and send what comes of it."""
    await turn(runtime, STEP)
    await turn(runtime, "send transactional")
    await turn(runtime, "send service")


def answered(person_id: Any, category: Any = "unsatisfied", value: int = 2) -> SurveyAnswered:
    return SurveyAnswered(
        occurred_at=utcnow(), person_id=person_id, survey_id=new_id(), survey="csat_purchase", kind="csat",
        scale="1-5", answer_id=new_id(), invitation_id=new_id(), value=value, category=category, channel="sms",
    )  # fmt: skip


@pytest.mark.usefixtures("accounts")
async def test_a_purchase_is_thanked_for_with_the_coupon_that_was_asked_for(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime, kind="customer")
    await deliver(runtime, purchase(person))
    await work(runtime)
    [asked] = await published(runtime, CouponRequested)
    assert (asked.person_id, asked.discount_percent, asked.reason) == (person, 10, "thank_you_coupon")
    assert await panel.texts() == []

    issued = CouponIssued(
        occurred_at=utcnow(), person_id=person, coupon_id=new_id(), code="SARA-7KQ2", discount_percent=10,
        valid_until=datetime(2026, 12, 22, tzinfo=UTC), reason="thank_you_coupon", request_id=asked.request_id,
    )  # fmt: skip
    await deliver(runtime, issued)
    await deliver(runtime, issued)
    await work(runtime)

    [text] = await panel.texts(SARA_PHONE)
    assert text["text"] == (
        "سارا عزیز، از خرید شما سپاسگزاریم. این کد تخفیف ۱۰٪ هدیهٔ ما برای خرید بعدی شماست:\n"
        "SARA-7KQ2\nتا ۱۴۰۵/۱۰/۰۱ اعتبار دارد."
    )
    assert await fetchval(runtime, "SELECT coupon_id FROM messages") == issued.coupon_id

    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=person))
    assert await fetchval(runtime, "SELECT count(*) FROM automation_runs run WHERE run::text LIKE '%SARA%'") == 0


@pytest.mark.parametrize("refused", [True, False])
@pytest.mark.usefixtures("accounts")
async def test_without_a_coupon_in_time_the_thanks_go_alone(refused: bool, runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime, kind="customer")
    await deliver(runtime, purchase(person))
    await work(runtime)
    [asked] = await published(runtime, CouponRequested)
    refusal = CouponRefused(
        occurred_at=utcnow(), person_id=person, request_id=asked.request_id, reason="not_a_customer"
    )
    if refused:
        await deliver(runtime, refusal)
    with moved(timedelta(seconds=0 if refused else runtime.settings.coupon_wait_s + 1)):
        await work(runtime)
        assert [text["text"] for text in await panel.texts()] == ["سارا عزیز، از خرید شما سپاسگزاریم."]


THANKS = "SELECT status || ':' || coalesce(reason, '') FROM automation_runs WHERE automation = 'thank_you_coupon'"


async def asked_for_a_coupon(runtime: Runtime) -> CouponRequested:
    """Have somebody buy who is to be thanked with a coupon."""
    await deliver(runtime, purchase(await known_person(runtime, kind="customer")))
    await turn(runtime, STEP)
    [asked] = await published(runtime, CouponRequested)
    return asked


async def test_thanks_that_are_nothing_without_a_coupon_end_when_it_is_refused(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    coupon = {"type": "coupon", "discount_percent": 10, "otherwise": "end"}
    steps = [coupon, {"type": "send", "template": "thank_you"}]
    assert (await client.patch("/v1/automations/thank_you_coupon", json={"steps": steps})).status_code == 200
    asked = await asked_for_a_coupon(runtime)
    refusal = CouponRefused(
        occurred_at=utcnow(), person_id=asked.person_id, request_id=asked.request_id, reason="erased"
    )
    await deliver(runtime, refusal)
    await turn(runtime, STEP)

    assert await fetchval(runtime, THANKS) == "done:no_coupon"
    assert await statuses(runtime) == []


async def test_a_coupon_that_comes_after_its_person_was_erased_is_not_kept(runtime: Runtime) -> None:
    asked = await asked_for_a_coupon(runtime)
    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=asked.person_id))
    issued = CouponIssued(
        occurred_at=utcnow(), person_id=asked.person_id, coupon_id=new_id(), code="SARA-7KQ2", discount_percent=10,
        valid_until=utcnow(), reason="thank_you_coupon", request_id=asked.request_id,
    )  # fmt: skip
    await deliver(runtime, issued)

    assert await fetchval(runtime, THANKS) == "cancelled:erased"
    assert await fetchval(runtime, "SELECT count(coupon) FROM automation_runs") == 0


async def test_a_run_that_waited_a_day_too_long_for_its_coupon_is_skipped(runtime: Runtime) -> None:
    await asked_for_a_coupon(runtime)
    with moved(timedelta(hours=25)):
        await turn(runtime, STEP)

    assert await fetchval(runtime, THANKS) == "skipped:stale"


async def test_an_automation_begins_after_its_delay(runtime: Runtime, client: httpx.AsyncClient) -> None:
    assert (await client.patch("/v1/automations/acknowledge_lead", json={"delay_s": 60})).status_code == 200
    await deliver(runtime, captured(new_id()))

    assert await turn(runtime, STEP) == 0
    with moved(timedelta(seconds=61)):
        assert await turn(runtime, STEP) == 1


async def test_a_purchase_is_asked_about_three_days_later_and_sooner_for_its_product(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    steps = [{"type": "wait", "days": 3, "by_product": {"sample": 60}}, {"type": "survey", "survey": "csat_purchase"}]
    patched = await client.patch("/v1/automations/csat_after_purchase", json={"steps": steps})
    assert patched.status_code == 200
    tea, sample = purchase(new_id()), purchase(new_id(), product="sample")
    await deliver(runtime, tea, sample)

    asked: dict[int, set[Any]] = {}
    for seconds in (0, 61, 3 * 86_400 - 60, 3 * 86_400 + 1):
        with moved(timedelta(seconds=seconds)):
            await turn(runtime, STEP)
        asked[seconds] = {event.purchase_id for event in await published(runtime, SurveyRequested)}

    assert asked == {
        0: set(),
        61: {sample.purchase_id},
        3 * 86_400 - 60: {sample.purchase_id},
        3 * 86_400 + 1: {sample.purchase_id, tea.purchase_id},
    }


def invitation(person_id: Any, channel: Any = "sms") -> SurveyInvited:
    return SurveyInvited(
        occurred_at=utcnow(), person_id=person_id, survey_id=new_id(), survey="csat_purchase", kind="csat",
        scale="1-5", invitation_id=new_id(), channel=channel, template="survey_csat",
        expires_at=utcnow() + timedelta(days=14),
    )  # fmt: skip


@pytest.mark.usefixtures("accounts")
async def test_whoever_is_invited_gets_the_question_once(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    invited = invitation(person)
    await deliver(runtime, invited)
    await deliver(runtime, invited)
    await work(runtime)

    [text] = await panel.texts(SARA_PHONE)
    assert "عددی از ۱" in text["text"]
    assert await fetchval(runtime, "SELECT invitation_id FROM messages") == invited.invitation_id
    assert await fetchval(runtime, "SELECT not_after FROM messages") == invited.expires_at


async def test_whoever_is_asked_in_an_app_gets_no_message(runtime: Runtime) -> None:
    await deliver(runtime, invitation(await known_person(runtime), channel="api"))

    assert await statuses(runtime) == []


@pytest.mark.usefixtures("accounts")
async def test_a_bad_answer_is_apologised_for_and_promotion_pauses(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime, accepts_promotional=True)
    await deliver(runtime, answered(person))
    await work(runtime)
    await queued(runtime, intent(person, "حراج\nلغو۱۱", purpose="promotional"))
    await turn(runtime, "send promotional")

    assert ["پوزش" in text["text"] for text in await panel.texts(SARA_PHONE)] == [True]
    assert (await statuses(runtime))[-1] == ("suppressed", "promotion_paused")


async def test_a_good_answer_is_not_apologised_for(runtime: Runtime) -> None:
    await deliver(runtime, answered(new_id(), "satisfied", 5))

    assert await fetchval(runtime, "SELECT count(*) FROM automation_runs") == 0


@pytest.mark.usefixtures("accounts")
async def test_agent_and_manager_are_told_of_whom_to_call(runtime: Runtime, panel: Panel) -> None:
    """At once: the card that the fact names, and that may still be on its way, is not theirs."""
    person = await known_person(runtime)
    agent = card(kind="agent", first_name="امید", phones=("+989990005678",))
    manager = card(kind="agent", first_name="مهرانه", phones=("+989990005679",), locale="en")
    await deliver(runtime, agent, manager)
    overdue = LeadResponseOverdue(
        occurred_at=utcnow(), lead_id=new_id(), person_id=person, due_at=utcnow(), question_asked_at=utcnow(),
        agent_id=agent.person_id, manager_id=manager.person_id,
    )  # fmt: skip
    await deliver(runtime, overdue, card=CardVersion(LEADS_CONTACTS, 1_000_000))
    await work(runtime)

    [to_agent] = await panel.texts("+989990005678")
    [to_manager] = await panel.texts("+989990005679")
    assert to_agent["text"].startswith("سارا نمونه هنوز پاسخی نگرفته")
    assert "09990001234" in to_agent["text"]
    assert to_manager["text"].startswith("سارا نمونه was not answered in time")


async def test_a_converted_lead_is_welcomed_and_a_switched_off_automation_is_silent(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    def converted() -> LeadConverted:
        return LeadConverted(occurred_at=utcnow(), lead_id=new_id(), person_id=new_id(), source="website")

    await deliver(runtime, converted())
    tag = (await client.get("/v1/automations/welcome")).headers["ETag"]
    off = await client.patch("/v1/automations/welcome", json={"active": False}, headers={"If-Match": tag})
    assert off.json()["active"] is False
    await deliver(runtime, converted())
    await turn(runtime, STEP)

    runs = "SELECT string_agg(status || ':' || coalesce(reason, ''), ',') FROM automation_runs"
    assert await fetchval(runtime, runs) == "cancelled:automation_off"


async def test_what_an_automation_has_queued_is_not_sent_once_it_is_off(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, captured(await known_person(runtime)))
    await turn(runtime, STEP)
    await client.patch("/v1/automations/acknowledge_lead", json={"active": False})
    await turn(runtime, "send service")

    assert await statuses(runtime) == [("suppressed", "automation_off")]


async def test_tens_of_thousands_of_old_purchases_thank_nobody_and_take_seconds(runtime: Runtime) -> None:
    old = datetime(1997, 6, 1, 8, 30, tzinfo=UTC)
    bought = [purchase(new_id(), old + timedelta(minutes=minute)) for minute in range(20_000)]
    begun = time.perf_counter()
    for start in range(0, len(bought), 5_000):
        await deliver(runtime, *bought[start : start + 5_000])
    await turn(runtime, STEP)

    assert time.perf_counter() - begun < 30
    query = "SELECT count(*) FROM automation_runs WHERE status = 'skipped' AND reason = 'stale' AND context IS NULL"
    assert await fetchval(runtime, query) == 40_000
    assert await published(runtime) == []


async def test_a_step_that_a_long_rest_made_late_is_skipped(runtime: Runtime) -> None:
    person = await known_person(runtime)
    await deliver(runtime, captured(person))
    with moved(timedelta(hours=25)):
        await turn(runtime, STEP)

    assert await fetchval(runtime, "SELECT status || ':' || reason FROM automation_runs") == "skipped:stale"
    assert await statuses(runtime) == []


async def test_two_workers_take_each_step_once(runtime: Runtime) -> None:
    await deliver(runtime, *(captured(new_id()) for _ in range(50)))
    await asyncio.gather(*(turn(runtime, STEP) for _ in range(4)))

    assert await fetchval(runtime, "SELECT count(*) FROM messages") == 50
    assert await fetchval(runtime, "SELECT count(*) FROM automation_runs WHERE status = 'done'") == 50


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"steps": [{"type": "send", "template": "no_such"}]}, "/steps/0/template"),
        ({"steps": [{"type": "wait", "days": 1}]}, "/steps"),
        ({"steps": []}, "/steps"),
        ({"steps": [{"type": "shell", "run": "x"}]}, "/steps/0"),
        ({"trigger": "lead.dreamt_of"}, "/trigger"),
        ({"trigger": None}, "/trigger"),
        ({"active": None}, "/active"),
        ({"condition": {"field": "first_name", "op": "eq", "value": "x"}}, "/condition/field"),
        ({"condition": {"field": "amount_minor", "op": "eq", "value": "many"}}, "/condition/value"),
    ],
)
async def test_what_an_automation_cannot_do_is_refused_naming_it(
    patch: dict[str, Any], pointer: str, client: httpx.AsyncClient
) -> None:
    refused = await client.patch("/v1/automations/thank_you_coupon", json=patch)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == pointer


def run(**fields: Any) -> Run:
    given: dict[str, Any] = {
        "id": new_id(), "automation": "thanks", "person_id": new_id(), "status": "running", "step": 0,
        "steps": [
            {"type": "coupon", "discount_percent": 5, "otherwise": "end"},
            {"type": "wait", "hours": 2},
            {"type": "send", "template": "thank_you"},
        ],
        "event_type": "purchase.recorded", "payload": {},
    }  # fmt: skip
    return Run(**given | fields)


def test_a_run_waits_for_its_coupon_then_for_its_time_then_sends_and_is_done() -> None:
    templates = {"thank_you": Sendable("sms", "service")}
    wait = timedelta(minutes=10)
    asked = advance(run(), templates, now=NOW, coupon_wait=wait)
    waiting = advance(run(step=1), templates, now=NOW, coupon_wait=wait)
    done = advance(run(step=2), templates, now=NOW, coupon_wait=wait)

    assert (asked.status, asked.step, asked.due_at, len(asked.events)) == ("waiting", 0, NOW + wait, 1)
    assert (waiting.status, waiting.step, waiting.due_at) == ("running", 2, NOW + timedelta(hours=2))
    assert (done.status, [each.template for each in done.intents]) == ("done", ["thank_you"])


def test_a_run_that_is_to_end_without_a_coupon_ends() -> None:
    late = advance(run(status="waiting"), {}, now=NOW, coupon_wait=timedelta())

    assert (late.status, late.reason, late.intents) == ("done", "no_coupon", [])


def test_what_a_step_leaves_out_is_as_the_domain_says() -> None:
    coupon, pause = read_steps([{"type": "coupon", "discount_percent": 10}, {"type": "pause_promotion"}])

    assert isinstance(coupon, Coupon)
    assert isinstance(pause, PausePromotion)
    assert (coupon.valid_days, coupon.otherwise, pause.days) == (30, "continue", 14)


def test_of_several_products_the_one_to_be_asked_about_first_says_when() -> None:
    wait = Wait(type="wait", days=3, by_product={"tea": 3_600, "sample": 60})

    assert wait_s(wait, {"lines": [{"product": "pot"}, {"product": "tea"}, {"product": "sample"}]}) == 60


def test_asking_again_asks_for_the_same_coupon() -> None:
    same = run()
    first, second = (advance(same, {}, now=NOW, coupon_wait=timedelta()).request_id for _ in range(2))

    assert first == second


def test_an_agent_who_is_their_own_manager_is_told_once() -> None:
    boss = str(new_id())
    steps = [{"type": "send", "template": "overdue", "to": to} for to in ("agent", "manager")]
    payload = {"agent_id": boss, "manager_id": boss}
    told = advance(
        run(steps=steps, event_type="lead.response_overdue", payload=payload), {}, now=NOW, coupon_wait=timedelta()
    )

    assert [str(each.person_id) for each in told.intents] == [boss]


def test_an_agent_and_their_manager_are_both_told_the_same() -> None:
    steps = [{"type": "send", "template": "overdue", "to": to} for to in ("agent", "manager")]
    payload = {"agent_id": str(new_id()), "manager_id": str(new_id())}
    told = advance(
        run(steps=steps, event_type="lead.response_overdue", payload=payload), {}, now=NOW, coupon_wait=timedelta()
    )

    assert [str(each.person_id) for each in told.intents] == [*payload.values()]


def test_an_event_without_an_agent_alerts_nobody() -> None:
    steps = [{"type": "send", "template": "overdue", "to": "agent"}]
    told = advance(run(steps=steps, event_type="lead.response_overdue"), {}, now=NOW, coupon_wait=timedelta())

    assert (told.status, told.intents) == ("done", [])
