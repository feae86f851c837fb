"""What provider accounts refuse."""

from __future__ import annotations

from uuid import UUID

from shared.errors import Conflict, FieldError, Invalid, NotFound


class ProviderNotFound(NotFound):
    """There is no such account."""

    code = "provider_not_found"
    title = "No such provider account"
    title_fa = "چنین حسابی نیست"

    def __init__(self, account_id: UUID) -> None:
        super().__init__(f"There is no provider account {account_id}.", fa=f"حسابی با شناسهٔ {account_id} نیست.")


class ProviderExists(Conflict):
    """An account of that name exists."""

    code = "provider_exists"
    title = "The name is taken"
    title_fa = "این نام پیش‌تر به کار رفته است"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A provider account {name!r} exists; choose another name.",
            fa=f"حسابی با نام «{name}» هست؛ نام دیگری بگذارید.",
        )


class AddressDoesNotFit(Invalid):
    """An account's `base_url` is no address of a panel, or of a mail server."""

    code = "address_does_not_fit"
    title = "The address does not fit"
    title_fa = "نشانی درست نیست"

    def __init__(self, given: str, right: str) -> None:
        super().__init__(
            f"{given!r} is no address for this kind of account; {right} is.",
            fa=f"«{given}» نشانی درستی برای این حساب نیست؛ نمونهٔ درست: {right}",
            errors=[FieldError("/base_url", "not_an_address", f"Write it like {right}.")],
        )


class AddressNotPublic(Invalid):
    """An account's `base_url` leads into a network that is neither public nor allowed by the operator."""

    code = "address_not_public"
    title = "The address is not public"
    title_fa = "نشانی عمومی نیست"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host!r} is not a public address; an operator allows others by MESSAGING_PRIVATE_NETWORKS.",
            fa=f"«{host}» نشانی عمومی نیست؛ شبکه‌های دیگر را مدیر سامانه در MESSAGING_PRIVATE_NETWORKS مجاز می‌کند.",
            errors=[FieldError("/base_url", self.code, "Give an address that the internet knows.")],
        )


class SecretNeeded(Invalid):
    """An account is led to another address without its secret, which would be told there."""

    code = "secret_needed"
    title = "The secret is needed"
    title_fa = "کلید لازم است"

    def __init__(self) -> None:
        message = "Give the `secret` with another `base_url`: the one that is kept is not sent elsewhere."
        persian = "با base_url تازه secret را هم بفرستید؛ کلیدی که نگه داشته شده به نشانی دیگری فرستاده نمی‌شود."
        super().__init__(message, fa=persian, errors=[FieldError("/secret", self.code, message, fa=persian)])


class LineDoesNotFit(Invalid):
    """A line's number, purposes or hours do not fit its account."""

    code = "line_does_not_fit"
    title = "A line does not fit"
    title_fa = "یکی از خط‌ها درست نیست"

    def __init__(self, pointer: str, code: str, message: str, fa: str) -> None:
        super().__init__(message, fa=fa, errors=[FieldError(pointer, code, message)])
