"""What is refused about leads."""

from __future__ import annotations

from uuid import UUID

from shared.errors import Conflict, FieldError, Gone, Invalid, NotFound, Unavailable


class LeadNotFound(NotFound):
    code = "lead_not_found"

    def __init__(self, lead_id: UUID) -> None:
        super().__init__(f"There is no lead {lead_id}.", fa=f"سرنخی با شناسهٔ {lead_id} نیست.")


class LeadAlreadyConverted(Conflict):
    code = "lead_already_converted"

    def __init__(self, lead_id: UUID) -> None:
        super().__init__(f"Lead {lead_id} is already converted.", fa=f"سرنخ {lead_id} پیش‌تر مشتری شده است.")


class LeadAlreadyQualified(Conflict):
    code = "lead_already_qualified"

    def __init__(self, lead_id: UUID) -> None:
        super().__init__(f"Lead {lead_id} is already qualified.", fa=f"سرنخ {lead_id} پیش‌تر تأیید صلاحیت شده است.")


class LeadAlreadyDisqualified(Conflict):
    code = "lead_already_disqualified"

    def __init__(self, lead_id: UUID) -> None:
        super().__init__(f"Lead {lead_id} is already disqualified.", fa=f"سرنخ {lead_id} پیش‌تر کنار گذاشته شده است.")


class LeadIsDisqualified(Conflict):
    code = "lead_disqualified"

    def __init__(self, lead_id: UUID) -> None:
        super().__init__(
            f"Lead {lead_id} is disqualified; POST /v1/leads/{lead_id}/reopen takes it up again.",
            fa=f"سرنخ {lead_id} کنار گذاشته شده است؛ نخست آن را بازگشایی کنید.",
        )


class LeadIsOpen(Conflict):
    code = "lead_open"

    def __init__(self, lead_id: UUID) -> None:
        super().__init__(f"Lead {lead_id} is open already.", fa=f"سرنخ {lead_id} هم‌اکنون باز است.")


class LeadIsMerged(Conflict):
    """The lead goes on as another one."""

    code = "lead_merged"

    def __init__(self, lead_id: UUID, into_id: UUID) -> None:
        super().__init__(
            f"Lead {lead_id} goes on as lead {into_id} of the same person; work with that one.",
            fa=f"سرنخ {lead_id} با سرنخ {into_id} از همین شخص یکی شده است؛ با همان کار کنید.",
        )


class LeadOfErasedPerson(Gone):
    """There is nobody left to answer."""

    code = "person_erased"
    title = "The person was erased"
    title_fa = "اطلاعات این شخص پاک شده است"

    def __init__(self, lead_id: UUID) -> None:
        super().__init__(
            f"The person of lead {lead_id} was erased; who comes anew is captured as a stranger.",
            fa=f"اطلاعات صاحب سرنخ {lead_id} پاک شده است؛ اگر دوباره مراجعه کند، سرنخ تازه‌ای بسازید.",
        )


class OpenLeadExists(Conflict):
    """The person has another open lead for the same product."""

    code = "open_lead_exists"

    def __init__(self, lead_id: UUID) -> None:
        super().__init__(
            f"The person already has the open lead {lead_id} for this product; work with that one.",
            fa=f"این شخص برای همین محصول سرنخ باز {lead_id} را دارد؛ با همان کار کنید.",
        )


class PersonIsCustomer(Conflict):
    """A lead of a customer is erased with the customer, who knows more about them than we do."""

    code = "person_is_customer"

    def __init__(self, person_id: UUID) -> None:
        super().__init__(
            f"The lead's person is a customer; DELETE /v1/customers/{person_id} erases them everywhere.",
            fa=f"این شخص مشتری است؛ حذف مشتری {person_id} او را در همه‌جا پاک می‌کند.",
        )


class ErasedMeanwhile(Unavailable):
    """The person was erased between being looked up and being written to."""

    code = "erased_meanwhile"

    def __init__(self) -> None:
        super().__init__(
            "The person was erased at this very moment; send the capture again, and they are a stranger.",
            fa="اطلاعات این شخص در همین لحظه پاک شد؛ دوباره بفرستید تا فردی تازه شناخته شود.",
        )


class NoWayToReach(Invalid):
    """A capture gives neither a number nor an address."""

    code = "phone_or_email_needed"

    def __init__(self) -> None:
        message = "Give a phone number or an email address, so that somebody can answer."
        super().__init__(
            message,
            fa="شمارهٔ تلفن یا نشانی ایمیل بدهید تا بتوان پاسخ داد.",
            errors=[FieldError(pointer, self.code, message) for pointer in ("/phone", "/email")],
        )


class WrongSpeaker(Invalid):
    """A touch is said to be by somebody who cannot have made it."""

    code = "wrong_speaker"

    def __init__(self, by: str, direction: str) -> None:
        right = ["person"] if direction == "inbound" else ["human", "automatic"]
        message = f"An {direction} touch is not by {by!r}; it is by {' or '.join(right)}."
        super().__init__(
            message,
            fa=f"تماس {direction} از سوی {by} نیست؛ مقدار درست {' یا '.join(right)} است.",
            errors=[FieldError("/by", self.code, message)],
        )


class CompetitorWithoutReason(Invalid):
    """A competitor is named, though the reason is another."""

    code = "competitor_without_reason"

    def __init__(self) -> None:
        message = "A competitor is named only with the reason `competitor`."
        super().__init__(
            message,
            fa="نام رقیب تنها با دلیل competitor پذیرفته است.",
            errors=[FieldError("/competitor", self.code, message)],
        )
