"""The adapter for mail servers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import formataddr, formatdate, parseaddr
from html import escape
from typing import Any, Final

import aiosmtplib

from services.messaging.providers.addresses import Reach, connected
from services.messaging.providers.numbers import is_mail_address
from services.messaging.providers.protocol import Ambiguous, Fate, Outgoing, Refused, Result, Scope

RIGHT_TO_LEFT: Final = frozenset({"fa", "ar", "ckb", "ur"})
_WRITTEN: Final = frozenset({"From", "To", "Subject", "Message-ID", "List-Unsubscribe"})
_PERMANENT: Final = 500
_NO_SUCH_ADDRESS: Final = frozenset({550, 551, 553})
_NOT_SIGNED_IN: Final = frozenset({530, 534, 535, 538})


class AsGiven(EmailPolicy):
    """Mail with CRLF whose headers of ours are written as they are given, and never read.

    The library reads a header before it writes it: a subject with `=?utf-8?q?=0d=0aBcc:…?=` in it, which somebody may
    be called, becomes two headers; long addresses become encoded words, and no address at all.
    """

    def header_store_parse(self, name: str, value: str) -> tuple[str, str]:
        if name not in _WRITTEN:
            return super().header_store_parse(name, value)
        if {"\r", "\n"} & {*value}:
            raise ValueError(f"{name} holds a line break.")
        return name, value

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value if name in _WRITTEN else super().header_fetch_parse(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        if name not in _WRITTEN:
            return super().fold_binary(name, value)
        said = Header(value, "utf-8", header_name=name).encode(linesep="\r\n") if name == "Subject" else value
        return f"{name}: {said}\r\n".encode("ascii")


class Smtp:
    """A mail server. A connection is opened for each group of messages and closed after it."""

    most = 50

    def __init__(
        self,
        host: str,
        port: int,
        *,
        username: str = "",
        password: str = "",
        security: str = "starttls",
        timeout_s: float = 10,
        reach: Reach | None = None,
    ) -> None:
        """Take a server's settings; `security` is `starttls`, `tls`, or `none` for a sink on the same host."""
        self._host, self._port, self._reach = host, port, reach or Reach()
        self._settings: dict[str, Any] = {
            "hostname": host,
            "username": username or None,
            "password": password or None,
            "use_tls": security == "tls",
            "start_tls": security == "starttls",
            "timeout": timeout_s,
        }

    def groups(self, messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
        """Divide into what goes over one connection. One message a group: an ambiguous end concerns just that one."""
        return [[message] for message in messages]

    async def send(self, messages: Sequence[Outgoing]) -> list[Result]:
        """Send one message. Before its data is on the way nothing was sent; from then on no answer is ambiguous."""
        message = messages[0]
        if not is_mail_address(message.address):
            return [Result(Fate.FAILED, reason="invalid_address")]
        mail = compose(message)
        client = aiosmtplib.SMTP(**self._settings)
        try:
            refused = await self._open(client, message)
            return [refused or await self._deliver(client, mail)]
        finally:
            client.close()

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _connect(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.connect(sock=await connected(self._reach, self._host, self._port))
        except aiosmtplib.SMTPResponseException as error:
            scope = Scope.ACCOUNT if error.code in _NOT_SIGNED_IN else Scope.LATER
            raise Refused(scope, f"smtp_{error.code}") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Refused(Scope.LATER, "unreachable") from error

    async def _open(self, client: aiosmtplib.SMTP, message: Outgoing) -> Result | None:
        """Connect and say from whom and to whom; returns what the server has against that, within one time-out."""
        try:
            async with asyncio.timeout(self._settings["timeout"]):
                await self._connect(client)
                await client.mail(parseaddr(message.line)[1])
                await client.rcpt(message.address)
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Refused(Scope.LATER, "unreachable") from error
        return None

    async def _deliver(self, client: aiosmtplib.SMTP, mail: EmailMessage) -> Result:
        try:
            await client.data(mail.as_bytes())
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Ambiguous("connection_lost") from error
        return Result(Fate.ACCEPTED, provider_id=mail["Message-ID"])


def compose(message: Outgoing) -> EmailMessage:
    """Return the mail: text and HTML, its direction by the locale, and how to be spared more of them.

    The Message-ID follows from the message's own id, so that a mail sent twice is recognised as one.
    """
    mail = EmailMessage(policy=AsGiven(linesep="\r\n"))
    name, address = parseaddr(message.line)
    mail["From"] = formataddr((name, address))
    mail["To"] = message.address
    mail["Subject"] = " ".join((message.subject or "").split())
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{message.message_id}@{address.rpartition('@')[2]}>"
    if message.unsubscribe_url:
        mail["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(message.text, cte="base64")
    mail.add_alternative(_page(message), subtype="html", cte="base64")
    return mail


def _page(message: Outgoing) -> str:
    direction = "rtl" if message.locale in RIGHT_TO_LEFT else "ltr"
    inner = message.html or "".join(f"<p>{escape(line)}</p>" for line in message.text.splitlines() if line.strip())
    return (
        f'<!doctype html><html lang="{message.locale}" dir="{direction}"><head><meta charset="utf-8"></head>'
        f'<body dir="{direction}">{inner}</body></html>'
    )


def _refused(code: int) -> Result:
    if code in _NO_SUCH_ADDRESS:
        return Result(Fate.INVALID, reason=f"smtp_{code}")
    if code >= _PERMANENT:
        return Result(Fate.FAILED, reason=f"smtp_{code}")
    return Result(Fate.LATER, reason=f"smtp_{code}")
