"""Email over SMTP: what arrives, how it is unsubscribed from, and what a server's refusals mean."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email import policy
from email.header import decode_header, make_header
from email.parser import BytesParser
from email.utils import parseaddr
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.messaging.messages.settling import settle_message
from services.messaging.providers.addresses import LOOPBACK, Reach
from services.messaging.providers.protocol import Outgoing, Refused, Scope
from services.messaging.providers.secrets import unsubscribe_token
from services.messaging.providers.smtp import Smtp, compose
from shared.clock import moved, utcnow
from shared.contracts.customers import CustomerErased
from shared.contracts.messaging import MessageSent, OptOutRecorded
from shared.ids import new_id
from shared.service import Runtime
from tests.messaging.conftest import Panel
from tests.messaging.sending import fetchval, intent, known_person, queued, statuses
from tests.support.events import deliver, published, turn

ADDRESS = "sara@example.com"
SEND = "send service"

pytestmark = pytest.mark.usefixtures("accounts")

NEWS = {
    "code": "news",
    "channel": "email",
    "purpose": "service",
    "title": "News",
    "title_fa": "خبر",
    "bodies": {
        "fa": {"subject": "سلام {{ first_name }}", "text": "سلام", "html": "<p>سلام {{ first_name }}</p>"},
        "en": {"subject": "Hello", "text": "Hello"},
    },
}


async def reader(runtime: Runtime, **fields: Any) -> Any:
    return await known_person(runtime, emails=(ADDRESS,), **fields)


async def send_news(client: httpx.AsyncClient, runtime: Runtime, person: Any) -> str:
    await client.post("/v1/templates", json=NEWS)
    made = await client.post("/v1/messages", json={"person_id": str(person), "template": "news"})
    await turn(runtime, SEND)
    return str(made.json()["id"])


async def test_a_mail_arrives_in_two_forms_right_to_left_and_can_be_unsubscribed_from(
    client: httpx.AsyncClient, runtime: Runtime, panel: Panel
) -> None:
    message = await send_news(client, runtime, await reader(runtime, first_name="<سارا>"))

    [mail] = await panel.mails(ADDRESS)
    assert mail["subject"] == "سلام <سارا>"
    assert mail["text"].strip() == "سلام"
    assert 'dir="rtl"' in mail["html"]
    assert "<p>سلام &lt;سارا&gt;</p>" in mail["html"]
    headers = {name.lower(): value for name, value in dict(mail["headers"]).items()}
    assert headers["message-id"] == f"<{message}@sandbox.invalid>"
    assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"

    link = headers["list-unsubscribe"].strip("<>")
    path = link.removeprefix(runtime.settings.unsubscribe_url)
    assert (await client.get(path)).status_code == 200
    assert await fetchval(runtime, "SELECT count(*) FROM suppressions") == 0
    assert (await client.post(path, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    assert [event.source for event in await published(runtime, OptOutRecorded)] == ["link"]


async def test_who_unsubscribed_gets_no_more_mail_of_that_purpose(
    client: httpx.AsyncClient, runtime: Runtime, panel: Panel
) -> None:
    person = await reader(runtime)
    message = await send_news(client, runtime, person)
    await client.post(f"/u/{unsubscribe_token(runtime.settings, UUID(message))}")
    await queued(runtime, intent(person, "باز هم", channel="email", purpose="service"))
    await queued(runtime, intent(person, "رسید شما", channel="email"))
    await turn(runtime, SEND)
    await turn(runtime, "send transactional")

    assert len(await panel.mails(ADDRESS)) == 2
    assert ("suppressed", "opted_out") in await statuses(runtime)


@pytest.mark.parametrize("token", ["x", "AAAA", "!!!", "A" * 43])
async def test_a_forged_unsubscribe_link_is_not_valid(token: str, client: httpx.AsyncClient, runtime: Runtime) -> None:
    genuine = unsubscribe_token(runtime.settings, new_id())

    for forged in (token, genuine, genuine[:-2] + "AA"):
        assert (await client.post(f"/u/{forged}")).status_code == 404


async def test_a_mail_that_is_put_off_is_tried_again(runtime: Runtime, panel: Panel) -> None:
    await panel.fault("smtp_greylist", count=1)
    await queued(runtime, intent(await reader(runtime), channel="email", purpose="service"))
    await turn(runtime, SEND)
    assert await statuses(runtime) == [("queued", "smtp_451")]
    with moved(timedelta(seconds=2)):
        await turn(runtime, SEND)

    assert len(await panel.mails(ADDRESS)) == 1


async def test_an_address_that_does_not_exist_fails_for_good(runtime: Runtime, panel: Panel) -> None:
    await panel.fault("smtp_refuse", address=ADDRESS)
    person = await reader(runtime)
    await queued(runtime, intent(person, channel="email", purpose="service"))
    await turn(runtime, SEND)
    assert await statuses(runtime) == [("failed", "smtp_550")]
    await panel.no_faults()
    await queued(runtime, intent(person, "دوباره", channel="email", purpose="service"))
    await turn(runtime, SEND)

    assert await panel.mails(ADDRESS) == []
    assert (await statuses(runtime))[-1] == ("suppressed", "no_such_address")


async def test_a_mail_whose_end_nobody_knows_is_never_sent_again(runtime: Runtime, panel: Panel) -> None:
    await panel.fault("smtp_drop", count=1)
    await queued(runtime, intent(await reader(runtime), channel="email", purpose="service"))
    await turn(runtime, SEND)
    with moved(timedelta(minutes=5)):
        await turn(runtime, "reconcile unknown messages")
        await turn(runtime, SEND)

    assert await statuses(runtime) == [("unknown", "cannot_be_reconciled")]
    assert await fetchval(runtime, "SELECT count(*) FROM in_flight") == 0


class TestSettling:
    """A mail that stays unknown is settled by hand."""

    @pytest.fixture
    async def mail(self, client: httpx.AsyncClient, runtime: Runtime, panel: Panel) -> str:
        await panel.fault("smtp_drop", count=1)
        message = await send_news(client, runtime, await reader(runtime))
        await turn_at(runtime, timedelta(minutes=5), "reconcile unknown messages")
        return f"/v1/messages/{message}"

    async def test_it_is_listed_and_counted(self, client: httpx.AsyncClient, mail: str) -> None:
        [listed] = (await client.get("/v1/messages", params={"status": "unknown"})).json()["items"]

        assert mail.endswith(listed["id"])
        assert "peyvand_messages_unsettled 1.0" in (await client.get("/metrics")).text

    async def test_it_is_taken_as_sent_once_and_who_said_so_is_kept(
        self, client: httpx.AsyncClient, runtime: Runtime, panel: Panel, mail: str
    ) -> None:
        replies = [await client.post(f"{mail}/settle", json={"outcome": "sent"}) for _ in range(2)]
        await turn(runtime, SEND)

        assert [reply.status_code for reply in replies] == [200, 409]
        assert (replies[0].json()["status"], replies[1].json()["code"]) == ("sent", "message_not_unknown")
        assert len(await published(runtime, MessageSent)) == 1
        assert await panel.mails(ADDRESS) == []
        last = (await client.get(f"{mail}/decisions")).json()["items"][-1]
        assert (last["reason"], last["steps"][0]["by"]) == ("sent", "tester")

    async def test_of_ten_orders_to_send_it_again_one_is_taken_and_it_is_sent_once(
        self, client: httpx.AsyncClient, runtime: Runtime, panel: Panel, mail: str
    ) -> None:
        orders = (client.post(f"{mail}/settle", json={"outcome": "send_again"}) for _ in range(10))
        replies = await asyncio.gather(*orders)
        await turn(runtime, SEND)

        assert sorted(reply.status_code for reply in replies) == [200, *[409] * 9]
        assert len(await panel.mails(ADDRESS)) == 1
        assert (await statuses(runtime))[0][0] == "sent"

    async def test_one_that_is_sent_again_after_days_is_not_stale(
        self, runtime: Runtime, panel: Panel, mail: str
    ) -> None:
        with moved(timedelta(days=3)):
            async with runtime.db.transaction() as tx:
                message_id = UUID(mail.rpartition("/")[2])
                await settle_message(tx, message_id, "send_again", runtime.settings, by="tester")
            await turn(runtime, SEND)

        assert len(await panel.mails(ADDRESS)) == 1

    async def test_one_to_somebody_erased_is_not_sent_again(
        self, client: httpx.AsyncClient, runtime: Runtime, mail: str
    ) -> None:
        person = UUID((await client.get(mail)).json()["person_id"])
        await deliver(runtime, CustomerErased(person_id=person, occurred_at=utcnow()))

        assert (await client.post(f"{mail}/settle", json={"outcome": "send_again"})).status_code == 410

    async def test_one_that_is_still_looked_for_is_left_to_the_reports(
        self, client: httpx.AsyncClient, runtime: Runtime, panel: Panel
    ) -> None:
        await panel.fault("smtp_drop", count=1)
        message = await send_news(client, runtime, await reader(runtime))

        assert (await client.post(f"/v1/messages/{message}/settle", json={"outcome": "sent"})).status_code == 409


async def turn_at(runtime: Runtime, later: timedelta, clock: str) -> None:
    with moved(later):
        await turn(runtime, clock)


@pytest.mark.parametrize("ending", ["before", "within"])
async def test_a_mail_server_that_goes_away_before_it_has_the_mail_is_asked_again(ending: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            if line.startswith(b"RCPT"):
                if ending == "within":
                    await reader.read()
                break
            writer.write(b"250 fine\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reach = Reach(LOOPBACK)
        smtp = Smtp("127.0.0.1", server.sockets[0].getsockname()[1], security="none", timeout_s=0.3, reach=reach)
        with pytest.raises(Refused) as refused:
            await smtp.send([Outgoing(new_id(), "a@example.com", ADDRESS, "سلام")])

    assert refused.value.scope is Scope.LATER


@pytest.mark.parametrize(
    "address",
    [
        "sara@", "سارا@example.com", "a b@example.com", "sara@a.com\r\nBcc: x@y.com", "sara@[", "a:b;@example.com",
        "a@example.com,b@example.com", "a@example.com>", "=?utf-8?q?=0d=0aBcc:x?=@example.com",
    ],
)  # fmt: skip
async def test_what_is_no_address_fails_alone(address: str, runtime: Runtime, panel: Panel) -> None:
    odd = await known_person(runtime, phones=(), emails=(address,))
    fine = await reader(runtime)
    await queued(runtime, *(intent(person, channel="email", purpose="service") for person in (odd, fine)))
    await turn(runtime, SEND)

    assert set(await statuses(runtime)) == {("failed", "invalid_address"), ("sent", None)}
    assert len(await panel.mails(ADDRESS)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "سلام\r\nBcc: x@example.com",
        "=?utf-8?q?=0d=0aBcc:x@example.com?=",
        "=?utf-8?b?DQpCY2M6eEB5?=",
        "سلام\x85B\u2028c",
    ],
)
def test_what_somebody_is_called_adds_no_header_and_is_read_as_it_is(name: str) -> None:
    line = "Shop\r\nBcc: x@example.com <a@example.com>"
    raw = compose(Outgoing(new_id(), line, ADDRESS, "سلام", f"{name} عزیز")).as_bytes()
    head, _, _ = raw.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith(b" ")]
    read = BytesParser(policy=policy.compat32).parsebytes(raw)

    assert sorted(names) == [b"Content-Type", b"Date", b"From", b"MIME-Version", b"Message-ID", b"Subject", b"To"]
    assert str(make_header(decode_header(read["Subject"]))) == " ".join(f"{name} عزیز".split())
    assert read.get_content_type() == "multipart/alternative"


def test_a_sender_is_written_with_their_name() -> None:
    raw = compose(Outgoing(new_id(), "فروشگاه <news@example.com>", ADDRESS, "سلام")).as_bytes()
    name, address = parseaddr(str(BytesParser(policy=policy.default).parsebytes(raw)["From"]))

    assert (name, address) == ("فروشگاه", "news@example.com")
