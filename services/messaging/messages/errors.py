"""What messages refuse."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.errors import Conflict, FieldError, Gone, Invalid, NotFound


class MessageNotFound(NotFound):
    """There is no such message."""

    code = "message_not_found"
    title = "No such message"
    title_fa = "چنین پیامی نیست"

    def __init__(self, message_id: UUID) -> None:
        super().__init__(f"There is no message {message_id}.", fa=f"پیامی با شناسهٔ {message_id} نیست.")


class MessageNotWaiting(Conflict):
    """The message has left, or has ended: it can no longer be cancelled."""

    code = "message_not_waiting"
    title = "The message has left"
    title_fa = "پیام دیگر در صف نیست"

    def __init__(self, message_id: UUID, status: str) -> None:
        super().__init__(
            f"Message {message_id} is {status}; only what is queued or held can be cancelled.",
            fa="تنها پیامی را می‌توان لغو کرد که هنوز فرستاده نشده است.",
        )


class MessageNotUnknown(Conflict):
    """The message's end is known, or still sought in the provider's reports: there is nothing to settle by hand."""

    code = "message_not_unknown"
    title = "There is nothing to settle"
    title_fa = "سرنوشت پیام روشن است"

    def __init__(self, message_id: UUID, status: str) -> None:
        super().__init__(
            f"Message {message_id} is {status}; only what stays unknown, with an `ended_at`, is settled by hand.",
            fa="تنها پیامی را می‌توان دستی تعیین تکلیف کرد که سرنوشتش نامعلوم مانده است.",
        )


class MessageDoesNotFit(Invalid):
    """The message's content does not fit its template, or there is none."""

    code = "message_does_not_fit"
    title = "The message does not fit"
    title_fa = "پیام درست نیست"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        said = " ".join(error.message for error in errors)
        super().__init__(said, fa=" ".join(error.fa or error.message for error in errors), errors=errors)


class PersonErased(Gone):
    """The person was erased."""

    code = "person_erased"
    title = "The person was erased"
    title_fa = "اطلاعات این شخص پاک شده است"

    def __init__(self, person_id: UUID) -> None:
        super().__init__(f"Person {person_id} was erased; nothing is sent to them.", fa="اطلاعات این شخص پاک شده است.")
