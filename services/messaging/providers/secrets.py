"""Providers' secrets: sealed with the deployment's key; webhook secrets are kept as a hash only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from uuid import UUID

from cryptography.fernet import Fernet

from services.messaging.settings import Settings


def box_of(settings: Settings) -> Fernet:
    """Return what encrypts secrets with the deployment's key, and decrypts them."""
    return Fernet(base64.urlsafe_b64encode(_keyed(settings, "seal", b"")))


def seal(settings: Settings, text: str) -> bytes:
    """Encrypt a secret."""
    return box_of(settings).encrypt(text.encode())


def unseal(settings: Settings, sealed: bytes) -> str:
    """Decrypt a secret; raises `cryptography.fernet.InvalidToken` if it was sealed with another key."""
    return box_of(settings).decrypt(sealed).decode()


def new_webhook_secret() -> str:
    """Return a secret for the path of an account's webhooks."""
    return secrets.token_urlsafe(32)


def derived_webhook_secret(settings: Settings, account_id: UUID) -> str:
    """Return the secret that follows from the deployment's key, for the sandbox: known again at every start."""
    return base64.urlsafe_b64encode(_keyed(settings, "webhook", account_id.bytes)).decode().rstrip("=")


def webhook_hash(secret: str) -> bytes:
    """Return what is stored of a webhook secret. It has 256 bits, so a plain hash cannot be searched back."""
    return hashlib.sha256(secret.encode()).digest()


def webhook_matches(secret: str, stored: bytes) -> bool:
    """Compare a secret with the stored hash, in constant time."""
    return hmac.compare_digest(webhook_hash(secret), stored)


def address_hash(settings: Settings, channel: str, address: str) -> bytes:
    """Return the keyed hash by which a suppressed address is remembered when its person is erased."""
    return _keyed(settings, "suppression", f"{channel}:{address}".encode())


def erased_address_hash(settings: Settings, phone: str) -> bytes:
    """Return the keyed hash by which the number of an erased person is told for a while."""
    return _keyed(settings, "erased", phone.encode())


def inbound_key(settings: Settings) -> bytes:
    """Return the key of the digests by which texts of erased people are known, should they be told again."""
    return _keyed(settings, "inbound", b"")


def flight_hash(settings: Settings, said: bytes) -> bytes:
    """Return the keyed hash by which a text on its way is known, also when its receiver is erased meanwhile."""
    return _keyed(settings, "flight", said)


def unsubscribe_token(settings: Settings, message_id: UUID) -> str:
    """Return the token of a message's unsubscribe link."""
    signed = message_id.bytes + _keyed(settings, "unsubscribe", message_id.bytes)[:16]
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def unsubscribed_message(settings: Settings, token: str) -> UUID | None:
    """Return the message that an unsubscribe link belongs to; None if it was not made here."""
    try:
        signed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        message_id = UUID(bytes=signed[:16])
    except ValueError:
        return None
    genuine = _keyed(settings, "unsubscribe", message_id.bytes)[:16]
    return message_id if hmac.compare_digest(genuine, signed[16:]) else None


def _keyed(settings: Settings, use: str, data: bytes) -> bytes:
    """HMAC with the deployment's key, apart for each use. The settings refuse to load without a key."""
    key = settings.secret_key.get_secret_value() if settings.secret_key else ""
    return hmac.new(key.encode(), f"peyvand.messaging.{use}:".encode() + data, hashlib.sha256).digest()
