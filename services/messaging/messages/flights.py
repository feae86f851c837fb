"""What is on its way, by a keyed digest: it outlives an erasure, and tells nobody who lacks the key (docs/adr/0024)."""

from __future__ import annotations

from services.messaging.providers.secrets import flight_hash
from services.messaging.settings import Settings


def flight_of(settings: Settings, line: str, address: str, text: str, subject: str | None = None) -> bytes:
    """Return what equal texts to one number over one line have in common."""
    said = "\x00".join((line, address, subject or "", text))
    return flight_hash(settings, said.encode(errors="surrogatepass"))
