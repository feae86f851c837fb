"""What an invitation is refused for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.errors import Conflict, Gone, NotFound


class InvitationNotFound(NotFound):
    """There is no such invitation."""

    code = "invitation_not_found"
    title = "No such invitation"
    title_fa = "چنین دعوتی نیست"

    def __init__(self, invitation_id: UUID) -> None:
        super().__init__(f"There is no invitation {invitation_id}.", fa=f"دعوتی با شناسهٔ {invitation_id} یافت نشد.")


class InvitationExpired(Gone):
    """The time for an answer is over."""

    code = "invitation_expired"
    title = "The invitation has expired"
    title_fa = "مهلت پاسخ گذشته است"

    def __init__(self, invitation_id: UUID, expired_at: datetime) -> None:
        super().__init__(
            f"Invitation {invitation_id} took answers until {expired_at:%Y-%m-%dT%H:%M:%SZ}; invite the person anew.",
            fa="مهلت پاسخ به این دعوت گذشته است؛ شخص را دوباره دعوت کنید.",
        )


class InvitationClosed(Conflict):
    """The person was not asked, so there is nothing to answer."""

    code = "invitation_closed"
    title = "The invitation takes no answers"
    title_fa = "این دعوت پاسخ نمی‌پذیرد"

    def __init__(self, invitation_id: UUID, status: str) -> None:
        super().__init__(
            f"Invitation {invitation_id} is {status} and takes no answers; only an open or answered one does.",
            fa="این دعوت پاسخ نمی‌پذیرد؛ تنها دعوت باز یا پاسخ‌داده‌شده پاسخ می‌پذیرد.",
        )


class InvitationOfErased(Gone):
    """The person was erased; what they had answered stands as nobody's."""

    code = "person_erased"
    title = "The person was erased"
    title_fa = "اطلاعات این شخص پاک شده است"

    def __init__(self, invitation_id: UUID) -> None:
        super().__init__(
            f"Invitation {invitation_id} was of a person who was erased; nothing more is recorded of them.",
            fa="اطلاعات این شخص پاک شده است و دیگر پاسخی از او ثبت نمی‌شود.",
        )
