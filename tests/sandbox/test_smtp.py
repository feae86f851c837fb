"""The mail server, over a real socket."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import aiosmtplib
import pytest

from tests.sandbox.conftest import Running, StartSandbox

SARA = "sara@example.com"


def mail(to: str = SARA) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", to, "سپاس از خرید شما"
    message["List-Unsubscribe"] = "<https://example.com/u/1>"
    message.set_content("سلام سارا")
    message.add_alternative('<p dir="rtl">سلام سارا</p>', subtype="html")
    return message


async def deliver(sandbox: Running, message: EmailMessage, **given: Any) -> None:
    await aiosmtplib.send(message, hostname="127.0.0.1", port=sandbox.smtp_port, timeout=5, **given)


async def mailbox(sandbox: Running, address: str = SARA) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await sandbox.api.get("/sandbox/mails", params={"to": address})).json()["items"]
    return items


async def test_a_mail_is_in_the_mailbox_as_it_was_written(sandbox: Running) -> None:
    await deliver(sandbox, mail())

    [shown] = await mailbox(sandbox)
    assert (shown["from"], shown["subject"]) == ("shop@example.com", "سپاس از خرید شما")
    assert shown["text"].strip() == "سلام سارا"
    assert shown["html"].strip() == '<p dir="rtl">سلام سارا</p>'
    assert shown["headers"]["List-Unsubscribe"] == "<https://example.com/u/1>"


async def test_any_name_and_password_are_accepted(sandbox: Running) -> None:
    await deliver(sandbox, mail(), username="shop", password="secret")

    assert len(await mailbox(sandbox)) == 1


async def test_starttls_is_spoken_where_it_is_offered(start_sandbox: StartSandbox) -> None:
    sandbox = await start_sandbox(smtp_starttls=True)

    await deliver(sandbox, mail(), start_tls=True, validate_certs=False, username="shop", password="secret")

    assert len(await mailbox(sandbox)) == 1


@pytest.mark.parametrize(("kind", "code"), [("smtp_greylist", 451), ("smtp_refuse", 550)])
async def test_a_recipient_is_refused_while_the_fault_is_on(sandbox: Running, kind: str, code: int) -> None:
    await sandbox.fault(kind, count=1, address=SARA)

    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await deliver(sandbox, mail())

    assert refused.value.recipients[0].code == code
    assert await mailbox(sandbox) == []
    await deliver(sandbox, mail())
    assert len(await mailbox(sandbox)) == 1


async def test_a_dropped_connection_leaves_no_mail(sandbox: Running) -> None:
    await sandbox.fault("smtp_drop", count=1)

    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await deliver(sandbox, mail())

    assert await mailbox(sandbox) == []


async def test_a_fault_for_one_address_leaves_others_alone(sandbox: Running) -> None:
    await sandbox.fault("smtp_refuse", address="nobody@example.com")

    await deliver(sandbox, mail())

    assert len(await mailbox(sandbox)) == 1


async def test_a_mail_in_an_unknown_charset_is_shown(sandbox: Running) -> None:
    raw = b"From: a@example.com\r\nSubject: x\r\nContent-Type: text/plain; charset=klingon\r\n\r\n\xd8\xb3\r\n"

    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sandbox.smtp_port) as client:
        await client.sendmail("a@example.com", [SARA], raw)

    assert (await mailbox(sandbox))[0]["text"].strip() == "س"
