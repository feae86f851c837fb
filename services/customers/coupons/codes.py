"""Codes that can be read out over the phone and cannot be guessed."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from itertools import count
from typing import Final
from uuid import UUID

from shared.persian.digits import to_latin

LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Without I, L, O, 0 and 1, which are mistaken for each other."""

LENGTH: Final = 10
"""31^10 codes: of a million guesses at a million live coupons about one in a thousand hits any."""


def new_code() -> str:
    """Return a code that nobody can foresee."""
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def codes_for(request_id: UUID, secret: str) -> Iterator[str]:
    """Yield codes that nobody foresees without the secret, the same whenever the request is answered again."""
    for attempt in count():
        digest = hmac.digest(secret.encode(), f"coupon:{request_id}:{attempt}".encode(), "sha256")
        number = int.from_bytes(digest, "big")
        yield "".join(LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in range(LENGTH))


def read_code(written: str) -> str:
    """Return a code as it is kept: typed in any case, with spaces or dashes, with digits of any script."""
    return "".join(letter for letter in to_latin(written).upper() if letter.isalnum())
