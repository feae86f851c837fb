"""The API of surveys, invitations and answers: what is taken, what is refused, and how the lists behave."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx

from shared import clock
from shared.contracts.surveys import SurveyAnswered, SurveyInvited
from shared.ids import new_id
from shared.service import Runtime
from tests.support import api
from tests.support.events import published
from tests.surveys.story import items, new_survey, pointers

SURVEY = {"code": "nps_year", "kind": "nps", "scale": "0-10", "title": "سنجش سالانه", "template": "survey_nps"}
ERASED = "00000000-0000-0000-0000-000000000000"


async def ask(client: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    answer = await client.post("/v1/invitations", json={"survey": "csat_purchase", "person_id": str(new_id())} | given)
    assert answer.status_code == 201, answer.text
    invitation: dict[str, Any] = answer.json()
    return invitation


async def answer(client: httpx.AsyncClient, invitation_id: str, value: object, **headers: str) -> httpx.Response:
    return await client.post("/v1/answers", json={"invitation_id": invitation_id, "value": value}, headers=headers)


async def test_the_survey_after_a_purchase_is_there_from_the_start(client: httpx.AsyncClient) -> None:
    (shipped,) = await items(client, "/v1/surveys")

    assert (shipped["code"], shipped["kind"], shipped["scale"]) == ("csat_purchase", "csat", "1-5")
    assert (shipped["touchpoint"], shipped["sampling_percent"], shipped["active"]) == ("purchase", 100, True)


async def test_a_survey_is_opened_read_and_changed(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/surveys", json=SURVEY | {"title": "  سنجش\u202e سالانه "})
    path = f"/v1/surveys/{made.json()['id']}"
    changed = await client.patch(path, json={"interval_days": 90}, headers={"If-Match": made.headers["ETag"]})
    stale = await client.patch(path, json={"interval_days": 30}, headers={"If-Match": made.headers["ETag"]})
    read = await client.get(path)

    assert (made.status_code, changed.status_code, stale.status_code) == (201, 200, 412)
    assert made.json()["title"] == "سنجش سالانه"
    assert read.json() == changed.json()
    assert (read.json()["interval_days"], read.json()["version"], read.headers["ETag"]) == (90, 2, '"2"')


UNFIT: list[tuple[dict[str, object], str, str]] = [
    ({"kind": "form"}, "/kind", "literal_error"),
    ({"scale": "1-5"}, "/scale", "scale_does_not_fit"),
    ({"scale": "2-4"}, "/scale", "literal_error"),
    ({"template": None}, "/template", "template_missing"),
    ({"title": " \u200c "}, "/title", "empty"),
    ({"title": "x" * 201}, "/title", "string_too_long"),
    ({"code": "نظر"}, "/code", "string_pattern_mismatch"),
    ({"code": ""}, "/code", "string_too_short"),
    ({"sampling_percent": 101}, "/sampling_percent", "less_than_equal"),
    ({"interval_days": 0}, "/interval_days", "greater_than_equal"),
    ({"valid_days": 1000}, "/valid_days", "less_than_equal"),
    ({"channel": "pigeon"}, "/channel", "literal_error"),
    ({"colour": "blue"}, "/colour", "extra_forbidden"),
]


async def test_a_survey_that_does_not_fit_is_refused_by_name(client: httpx.AsyncClient) -> None:
    for given, pointer, code in UNFIT:
        refused = await client.post("/v1/surveys", json=SURVEY | given)

        assert refused.status_code == 422, given
        assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [(pointer, code)]
    assert len(await items(client, "/v1/surveys")) == 1


async def test_recommendation_is_asked_for_every_ninety_days_unless_said_otherwise(client: httpx.AsyncClient) -> None:
    interval: list[dict[str, object]] = [{}, {"interval_days": 7}, {"interval_days": None}]
    opened = [
        (await client.post("/v1/surveys", json=SURVEY | {"code": f"nps_{number}"} | given)).json()["interval_days"]
        for number, given in enumerate(interval)
    ]

    assert opened == [90, 7, None]


async def test_a_code_is_taken_once_also_at_once(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/v1/surveys", json=SURVEY) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


async def test_a_change_that_leaves_a_survey_without_its_template_is_refused(client: httpx.AsyncClient) -> None:
    (shipped,) = await items(client, "/v1/surveys")
    refused = await client.patch(f"/v1/surveys/{shipped['id']}", json={"template": None})
    taken = await client.patch(f"/v1/surveys/{shipped['id']}", json={"template": None, "channel": "api"})

    assert (refused.status_code, pointers(refused)) == (422, ["/template"])
    assert taken.status_code == 200


async def test_what_never_changes_is_refused_in_a_change(client: httpx.AsyncClient) -> None:
    (shipped,) = await items(client, "/v1/surveys")
    for body in ({"kind": "nps"}, {"scale": "1-3"}, {"code": "other"}, {"title": None}):
        refused = await client.patch(f"/v1/surveys/{shipped['id']}", json=body)

        assert (refused.status_code, pointers(refused)) == (422, [f"/{next(iter(body))}"])


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("surveys", "invitations", "answers"):
        assert (await client.get(f"/v1/{path}/{new_id()}")).status_code == 404
    assert (await client.patch(f"/v1/surveys/{new_id()}", json={})).status_code == 404
    assert (
        await client.post("/v1/invitations", json={"survey": "none", "person_id": str(new_id())})
    ).status_code == 404


async def test_a_person_is_invited_by_api_and_answers_there(runtime: Runtime, client: httpx.AsyncClient) -> None:
    invitation = await ask(client, channel="api", product="tea-500")
    given = await answer(client, invitation["id"], 2)

    assert (invitation["status"], invitation["delivered_at"]) == ("open", invitation["requested_at"])
    assert given.status_code == 201
    assert (given.json()["category"], given.json()["channel"], given.json()["loop"]) == ("unsatisfied", "api", "open")
    assert (await client.get(f"/v1/answers/{given.json()['id']}")).json() == given.json()
    (event,) = await published(runtime, SurveyAnswered)
    assert (event.value, event.product, str(event.invitation_id)) == (2, "tea-500", invitation["id"])


async def test_a_value_may_be_typed_in_any_digits(client: httpx.AsyncClient) -> None:
    invitation = await ask(client)

    assert [(await answer(client, invitation["id"], value)).json()["value"] for value in ("۲", "٢", " 2 ", 2)] == [
        2
    ] * 4


async def test_a_value_that_is_not_on_the_scale_is_refused_and_changes_nothing(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    invitation = await ask(client)
    for value in (0, 6, -1, "۶", 2.5, "دو", "", None, True, 10**30, "9" * 30):
        refused = await answer(client, invitation["id"], value)

        assert (refused.status_code, pointers(refused)) == (422, ["/value"]), value
    assert await published(runtime, SurveyAnswered) == []


async def test_the_refusal_says_in_persian_what_would_be_right(client: httpx.AsyncClient) -> None:
    refused = await answer(client, (await ask(client))["id"], 9, **{"Accept-Language": "fa"})

    assert refused.json()["detail"] == "۹ در مقیاس نیست؛ پاسخ عددی از ۱ تا ۵ است."


async def test_two_answers_at_once_are_an_answer_and_its_revision(runtime: Runtime, client: httpx.AsyncClient) -> None:
    invitation = await ask(client)
    answers = await asyncio.gather(*(answer(client, invitation["id"], value) for value in (1, 5)))

    assert [given.status_code for given in answers] == [201, 201]
    assert [event.revision for event in await published(runtime, SurveyAnswered)] == [1, 2]
    assert len(await items(client, "/v1/answers")) == 1


async def test_an_answer_sent_again_with_its_key_is_given_once(runtime: Runtime, client: httpx.AsyncClient) -> None:
    invitation = await ask(client)
    given = [await answer(client, invitation["id"], 4, **{"Idempotency-Key": "one"}) for _ in range(2)]

    assert given[0].json() == given[1].json()
    assert [event.revision for event in await published(runtime, SurveyAnswered)] == [1]


async def test_an_invitation_sent_again_with_its_key_is_made_once(runtime: Runtime, client: httpx.AsyncClient) -> None:
    body = {"survey": "csat_purchase", "person_id": str(new_id())}
    first, again = [
        await client.post("/v1/invitations", json=body, headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]

    assert first.json() == again.json()
    assert len(await published(runtime, SurveyInvited)) == 1


async def test_one_who_may_not_be_asked_gives_a_refused_invitation_that_takes_no_answer(
    client: httpx.AsyncClient,
) -> None:
    person = str(new_id())
    await ask(client, person_id=person)
    refused = await ask(client, person_id=person)
    unanswerable = await answer(client, refused["id"], 4)

    assert (refused["status"], refused["reason"], refused["expires_at"]) == ("refused", "fatigue", None)
    assert (unanswerable.status_code, unanswerable.json()["code"]) == (409, "invitation_closed")


async def test_invitations_made_at_once_for_one_person_are_one(client: httpx.AsyncClient) -> None:
    person = str(new_id())
    made = await asyncio.gather(*(ask(client, person_id=person) for _ in range(4)))

    assert sorted(invitation["status"] for invitation in made) == ["open", "refused", "refused", "refused"]


async def test_an_answer_after_its_time_is_refused(runtime: Runtime, client: httpx.AsyncClient) -> None:
    invitation = await ask(client)
    with clock.moved(timedelta(days=14, minutes=1)):
        async with api.client(runtime) as later:
            late = await answer(later, invitation["id"], 4)

    assert (late.status_code, late.json()["code"]) == (410, "invitation_expired")


async def test_lists_are_filtered_and_paged(client: httpx.AsyncClient) -> None:
    person = str(new_id())
    other = await new_survey(client, code="csat_other")
    asked = [await ask(client, product="tea"), await ask(client, survey=other), await ask(client, person_id=person)]
    await ask(client, person_id=person)
    for invitation, value in zip(asked, (1, 3, 5), strict=True):
        await answer(client, invitation["id"], value)

    assert len(await items(client, "/v1/invitations")) == 4
    assert len(await items(client, "/v1/invitations", survey=other)) == 1
    assert len(await items(client, "/v1/invitations", person_id=person)) == 2
    assert len(await items(client, "/v1/invitations", status="answered")) == 3
    assert len(await items(client, "/v1/invitations", reason="fatigue")) == 1
    assert (
        len(await items(client, "/v1/invitations", **{"from": "2020-01-01T00:00:00Z", "to": "2021-01-01T00:00:00Z"}))
        == 0
    )
    assert [one["value"] for one in await items(client, "/v1/answers")] == [5, 3, 1]
    assert [one["value"] for one in await items(client, "/v1/answers", sort="answered_at")] == [1, 3, 5]
    assert [one["value"] for one in await items(client, "/v1/answers", category="unsatisfied")] == [1]
    assert [one["value"] for one in await items(client, "/v1/answers", loop="open")] == [1]
    assert [one["value"] for one in await items(client, "/v1/answers", survey=other)] == [3]
    assert [one["value"] for one in await items(client, "/v1/answers", person_id=person)] == [5]
    assert [one["value"] for one in await items(client, "/v1/answers", product="tea")] == [1]


async def test_pages_follow_each_other_and_a_cursor_is_bound_to_its_filter(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        await ask(client)
    seen: list[str] = []
    cursor: str | None = None
    while cursor is not None or not seen:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/invitations", params=params)).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"] or None
        mismatched = await client.get("/v1/invitations", params={"cursor": cursor or "x", "status": "open"})
        assert mismatched.json()["code"] == "cursor_mismatch"
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 5


SCOPES = [
    ("POST", "/v1/surveys", "surveys:admin"),
    ("PATCH", f"/v1/surveys/{ERASED}", "surveys:admin"),
    ("PATCH", "/v1/surveys/fatigue", "surveys:admin"),
    ("POST", "/v1/invitations", "surveys:write"),
    ("POST", "/v1/answers", "surveys:write"),
    ("GET", "/v1/surveys", "surveys:read"),
    ("GET", "/v1/surveys/fatigue", "surveys:read"),
    ("GET", f"/v1/surveys/{ERASED}/results", "surveys:read"),
    ("GET", "/v1/invitations", "surveys:read"),
    ("GET", "/v1/answers", "surveys:read"),
]


async def test_each_operation_asks_for_its_scope(runtime: Runtime) -> None:
    below = {"surveys:admin": "surveys:write", "surveys:write": "surveys:read", "surveys:read": "leads:admin"}
    for method, path, scope in SCOPES:
        async with api.client(runtime, [below[scope]]) as lower, api.client(runtime, [scope]) as enough:
            refused = await lower.request(method, path, json={})
            allowed = await enough.request(method, path, json={})

        assert (refused.status_code, allowed.status_code == 403) == (403, False), (method, path)
