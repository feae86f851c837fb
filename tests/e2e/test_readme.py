"""The commands of the README and of the guides do what is said of them."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.deployments import Deployment
from tests.support.processes import ROOT

pytestmark = pytest.mark.timeout(180)

README, GUIDE, PANELS = ((ROOT / name).read_text() for name in ("README.md", "docs/api.md", "docs/panels.md"))
STORY = README.partition("## The story, in curl\n")[2].partition("\n## ")[0]


async def test_the_commands_that_are_told_do_what_is_said(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "reader" / ".data").mkdir(parents=True)
    (tmp_path / "reader" / ".data" / "token").write_text(deployment.token_file.read_text())

    story, guide, panels = [await said_by(page, deployment, tmp_path / "reader") for page in (STORY, GUIDE, PANELS)]

    assert refusals_in(story + panels) == []
    assert refusals_in(guide) == refusals_in(GUIDE)
    assert "201\n201\n" in guide
    await the_story_came_to_its_end(deployment)
    await the_panel_was_heard(deployment)


async def said_by(page: str, deployment: Deployment, home: Path) -> str:
    """Do what a page tells one to do, and return what its commands print; fails where one of them does."""
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", commands.replace("http://127.0.0.1:8000", deployment.url), cwd=home,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output


def refusals_in(text: str) -> list[dict[str, Any]]:
    """Return the problems in a text, without the ids of their requests."""
    begun = re.finditer(r'\{\s*"type":\s*"urn:peyvand:problem', text)
    found = [json.JSONDecoder().raw_decode(text[begin.start() :])[0] for begin in begun]
    return [{name: value for name, value in each.items() if name != "request_id"} for each in found]


async def the_story_came_to_its_end(deployment: Deployment) -> None:
    """Expect a complaint, an apology and a figure."""
    async with deployment.client() as client:
        person = (await client.get("/v1/customers/lookup", params={"phone": "۰۹۹۹۰۰۰۱۲۳۴"})).json()["items"][0]["id"]
        answers = (await client.get("/v1/answers", params={"person_id": person})).json()["items"]
        tickets = (await client.get("/v1/tickets", params={"person_id": person})).json()["items"]
        messages = (await client.get("/v1/messages", params={"person_id": person})).json()["items"]
    assert [(answer["value"], answer["category"]) for answer in answers] == [(2, "unsatisfied")]
    assert [(ticket["kind"], ticket["for_manager"]) for ticket in tickets] == [("complaint", True)]
    assert {"acknowledge_lead", "welcome", "thank_you_coupon", "apology"} <= {each["automation"] for each in messages}


async def the_panel_was_heard(deployment: Deployment) -> None:
    async with deployment.client() as client:
        [heard] = (await client.get("/v1/inbound", params={"limit": 1})).json()["items"]
    assert (heard["text"], heard["number"], heard["sender"]) == ("۵", 5, "+989990005678")
