"""What a reference to a person is refused for."""

from __future__ import annotations

from uuid import UUID

from shared.errors import Conflict, FieldError, Gone, NotFound


class CustomerNotFound(NotFound):
    code = "customer_not_found"
    title = "No such customer"
    title_fa = "چنین مشتری‌ای نیست"

    def __init__(self, person_id: UUID) -> None:
        super().__init__(f"There is no customer {person_id}.", fa=f"مشتری‌ای با شناسهٔ {person_id} نیست.")


class PersonErased(Gone):
    code = "person_erased"
    title = "The person was erased"
    title_fa = "اطلاعات این شخص پاک شده است"

    def __init__(self, person_id: UUID) -> None:
        super().__init__(
            f"Person {person_id} was erased; nothing more is recorded of them.",
            fa="اطلاعات این شخص به درخواست خودش پاک شده است و دیگر چیزی از او ثبت نمی‌شود.",
        )


class PhoneTaken(Conflict):
    """A number that names one customer was given for another."""

    code = "phone_taken"
    title = "The number is another customer's"
    title_fa = "این شماره از آنِ مشتری دیگری است"

    def __init__(self, place: int, owner: UUID) -> None:
        super().__init__(
            f"The number at /phones/{place} is that of customer {owner}; if several people use it, "
            "give it in shared_phones, or merge the two customers.",
            fa=f"این شماره از آنِ مشتری {owner} است؛ اگر چند نفر از آن استفاده می‌کنند آن را در shared_phones بنویسید.",
            errors=[FieldError(f"/phones/{place}", self.code, f"is the number of customer {owner}")],
        )


class PhoneIsShared(Conflict):
    """A number that several people use cannot say who bought."""

    code = "phone_is_shared"
    title = "Several people use this number"
    title_fa = "چند نفر از این شماره استفاده می‌کنند"

    def __init__(self, pointer: str = "/phone", by: str = "person_id") -> None:
        super().__init__(
            f"Several people use this number; name the customer by {by}.",
            fa=f"این شماره مشترک است؛ مشتری را با {by} مشخص کنید.",
            errors=[FieldError(pointer, self.code, f"is shared; name the customer by {by}")],
        )


class CustomerExists(Conflict):
    """The number or the external id is known: there is such a customer."""

    code = "customer_exists"
    title = "The customer exists"
    title_fa = "این مشتری از پیش هست"

    def __init__(self, person_id: UUID, pointer: str) -> None:
        super().__init__(
            f"{pointer} names customer {person_id}, who exists; PATCH /v1/customers/{person_id} changes the profile.",
            fa=f"این مشتری با شناسهٔ {person_id} از پیش ثبت شده است.",
            errors=[FieldError(pointer, self.code, f"is that of customer {person_id}")],
        )
        self.person_id = person_id
