"""What suppressions refuse."""

from __future__ import annotations

from uuid import UUID

from shared.errors import Conflict, Gone, Invalid, NotFound


class SuppressionNotFound(NotFound):
    """There is no such suppression."""

    code = "suppression_not_found"
    title = "No such suppression"
    title_fa = "چنین موردی نیست"

    def __init__(self, suppression_id: UUID) -> None:
        super().__init__(f"There is no suppression {suppression_id}.", fa=f"موردی با شناسهٔ {suppression_id} نیست.")


class AlreadySuppressed(Conflict):
    """The address is suppressed already."""

    code = "already_suppressed"
    title = "Already suppressed"
    title_fa = "پیش‌تر ثبت شده است"

    def __init__(self) -> None:
        super().__init__("This address is suppressed already.", fa="این نشانی پیش‌تر در فهرست لغو ثبت شده است.")


class AddressNeeded(Invalid):
    """A phone or an email is needed, one of them."""

    code = "address_needed"
    title = "An address is needed"
    title_fa = "نشانی لازم است"

    def __init__(self) -> None:
        super().__init__("Give either `phone` or `email`.", fa="یکی از phone یا email را بدهید.")


class LinkNotValid(NotFound):
    """An unsubscribe link that was not made here."""

    code = "link_not_valid"
    title = "Not a valid link"
    title_fa = "این پیوند درست نیست"

    def __init__(self) -> None:
        super().__init__("This link is not valid.", fa="این پیوند درست نیست.")


class LinkOutlived(Gone):
    """The receiver of the message has been erased."""

    code = "link_outlived"
    title = "The message is no longer here"
    title_fa = "این پیام دیگر نیست"

    def __init__(self) -> None:
        super().__init__("The message of this link is no longer here.", fa="پیام این پیوند دیگر نیست.")
