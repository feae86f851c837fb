"""A mail server that takes everything for anybody, unless a fault is on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.sandbox import mails
from services.sandbox.faults import Faults, Kind
from services.sandbox.sandbox import Sandbox
from shared.clock import utcnow

HOSTNAME = "sandbox.invalid"
MOST_BYTES = 10 * 1024 * 1024


class Sink:
    """Answers the commands that matter; aiosmtpd speaks the rest."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if await self._struck("smtp_greylist", address):
            return "451 4.7.1 Greylisted, try again later"
        if await self._struck("smtp_refuse", address):
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if any([await self._struck("smtp_drop", address) for address in envelope.rcpt_tos]):
            _break_off(server)
            return "421 4.3.2 Connection dropped"
        raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        async with self._sandbox.transaction() as connection:
            await mails.store(
                connection, mails.read(raw), sender=envelope.mail_from or "",
                recipients=list(dict.fromkeys(envelope.rcpt_tos)), now=utcnow(),
            )  # fmt: skip
        self._sandbox.changed()
        return "250 OK: taken"

    async def _struck(self, kind: Kind, address: str) -> bool:
        async with self._sandbox.transaction() as connection:
            faults = await Faults.on(connection, now=utcnow())
            return await faults.take(kind, target=address.lower()) is not None


def _break_off(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()


@asynccontextmanager
async def serving(sandbox: Sandbox) -> AsyncIterator[int]:
    """Run the mail server for the length of the block; yields its port."""
    settings = sandbox.settings
    context = self_signed() if settings.smtp_starttls else None
    loop = asyncio.get_running_loop()
    sink = Sink(sandbox)
    server = await loop.create_server(
        lambda: SMTP(
            sink,
            hostname=HOSTNAME,
            data_size_limit=MOST_BYTES,
            enable_SMTPUTF8=True,
            tls_context=context,
            auth_require_tls=False,
            authenticator=lambda *_: AuthResult(success=True),
            loop=loop,
        ),
        settings.smtp_host,
        settings.smtp_port,
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def self_signed() -> ssl.SSLContext:
    """Make a certificate for this run."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOSTNAME)])
    now = utcnow()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with TemporaryDirectory() as folder:
        pem = Path(folder) / "sandbox.pem"
        pem.touch(mode=0o600)
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(pem)
    return context
