"""Personal data as it is shown to whoever may not see it (no scope `pii:read`)."""

from __future__ import annotations

from typing import overload

HIDDEN = "•••"


@overload
def mask_phone(phone: str) -> str: ...
@overload
def mask_phone(phone: None) -> None: ...
def mask_phone(phone: str | None) -> str | None:
    """Keep the operator's prefix and the last two digits: `+98999•••34`."""
    if phone is None:
        return None
    return f"{phone[:6]}{HIDDEN}{phone[-2:]}" if len(phone) > 8 else HIDDEN  # noqa: PLR2004


@overload
def mask_name(name: str) -> str: ...
@overload
def mask_name(name: None) -> None: ...
def mask_name(name: str | None) -> str | None:
    """Keep the first letter of each word."""
    if name is None:
        return None
    return " ".join(f"{word[0]}{HIDDEN}" for word in name.split()) or HIDDEN


@overload
def mask_email(email: str) -> str: ...
@overload
def mask_email(email: None) -> None: ...
def mask_email(email: str | None) -> str | None:
    """Keep the first letter and the domain."""
    if email is None:
        return None
    name, at, domain = email.rpartition("@")
    return f"{name[:1]}{HIDDEN}{at}{domain}" if at else HIDDEN
