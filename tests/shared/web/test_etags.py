from __future__ import annotations

import asyncio

import httpx
import pytest

from shared.ids import new_id


@pytest.fixture
async def note(client: httpx.AsyncClient) -> str:
    return str((await client.post("/v1/notes", json={"text": "first"})).headers["location"])


@pytest.mark.parametrize("given", ['"1"', 'W/"1"', '"7", "1"', "*", None])
async def test_the_present_version_may_be_changed(client: httpx.AsyncClient, note: str, given: str | None) -> None:
    answer = await client.patch(note, json={"text": "second"}, headers={"If-Match": given} if given else {})

    assert (answer.status_code, answer.json()["version"]) == (200, 2)


@pytest.mark.parametrize("given", ['"0"', '"2"', "1", '""', "", '"1'])
async def test_another_version_may_not(client: httpx.AsyncClient, note: str, given: str) -> None:
    answer = await client.patch(note, json={"text": "second"}, headers={"If-Match": given})

    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert '"1"' in answer.json()["detail"]


async def test_of_two_who_change_one_version_at_once_one_is_refused(client: httpx.AsyncClient, note: str) -> None:
    answers = await asyncio.gather(
        *(client.patch(note, json={"text": text}, headers={"If-Match": '"1"'}) for text in ("mine", "yours"))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_what_is_not_there_has_no_version(client: httpx.AsyncClient) -> None:
    answer = await client.patch(f"/v1/notes/{new_id()}", json={"text": "a"}, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.json()["code"]) == (404, "note_not_found")
