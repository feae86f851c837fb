"""The README's commands do what it says of them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.deployments import Deployment
from tests.support.processes import ROOT

pytestmark = pytest.mark.timeout(180)


def story() -> str:
    """Return the commands of the README's story."""
    told = (ROOT / "README.md").read_text().partition("## The story, in curl\n")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", told, re.DOTALL))


async def test_the_story_in_curl_ends_with_a_complaint_an_apology_and_a_figure(
    deployment: Deployment, tmp_path: Path
) -> None:
    commands = story().replace("http://127.0.0.1:8000", deployment.url)
    home = tmp_path / "reader"
    (home / ".data").mkdir(parents=True)
    (home / ".data" / "token").write_text(deployment.token_file.read_text())

    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", commands, cwd=home, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()

    assert process.returncode == 0, output
    assert "urn:peyvand:problem" not in output, output
    async with deployment.client() as client:
        person = (await client.get("/v1/customers/lookup", params={"phone": "۰۹۹۹۰۰۰۱۲۳۴"})).json()["items"][0]["id"]
        answers = (await client.get("/v1/answers", params={"person_id": person})).json()["items"]
        tickets = (await client.get("/v1/tickets", params={"person_id": person})).json()["items"]
        messages = (await client.get("/v1/messages", params={"person_id": person})).json()["items"]
    assert [(answer["value"], answer["category"]) for answer in answers] == [(2, "unsatisfied")]
    assert [(ticket["kind"], ticket["for_manager"]) for ticket in tickets] == [("complaint", True)]
    assert {"acknowledge_lead", "welcome", "thank_you_coupon", "apology"} <= {each["automation"] for each in messages}
