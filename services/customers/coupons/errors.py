"""What a coupon is refused for."""

from __future__ import annotations

from datetime import datetime

from shared.errors import Conflict, FieldError, NotFound

_POINTER = "/coupon_code"


class CouponNotFound(NotFound):
    code = "coupon_not_found"
    title = "No such coupon"
    title_fa = "چنین کد تخفیفی نیست"

    def __init__(self, code: str) -> None:
        super().__init__(
            f"There is no coupon {code[:64]!r}; a code has letters and digits such as K7QMX3NARW.",
            fa=f"کد تخفیف «{code[:64]}» وجود ندارد.",
        )


class CouponAlreadyUsed(Conflict):
    code = "coupon_already_used"
    title = "The coupon was used before"
    title_fa = "کد تخفیف پیش‌تر استفاده شده است"

    def __init__(self, code: str) -> None:
        super().__init__(
            f"Coupon {code} was used with another purchase; it is good once.",
            fa=f"کد {code} پیش‌تر استفاده شده است؛ هر کد یک بار به کار می‌آید.",
            errors=[FieldError(_POINTER, self.code, "was used before")],
        )


class CouponExpired(Conflict):
    code = "coupon_expired"
    title = "The coupon is no longer valid"
    title_fa = "مهلت کد تخفیف گذشته است"

    def __init__(self, code: str, until: datetime) -> None:
        super().__init__(
            f"Coupon {code} was valid until {until.isoformat()}; the purchase came later.",
            fa=f"مهلت کد {code} پیش از این خرید به پایان رسیده است.",
            errors=[FieldError(_POINTER, self.code, f"was valid until {until.isoformat()}")],
        )


class CouponNotYetIssued(Conflict):
    code = "coupon_not_yet_issued"
    title = "The coupon was issued after the purchase"
    title_fa = "کد تخفیف پس از این خرید صادر شده است"

    def __init__(self, code: str, issued_at: datetime) -> None:
        said = (
            f"was issued at {issued_at.isoformat()}, after the purchase; correct occurred_at, or leave coupon_code out "
            "and give what was taken off as discount_minor"
        )
        super().__init__(
            f"Coupon {code} {said}.",
            fa=f"کد {code} پس از این خرید صادر شده است؛ occurred_at را درست کنید، "
            "یا coupon_code را نفرستید و مبلغ کاسته‌شده را در discount_minor بنویسید.",
            errors=[FieldError(_POINTER, self.code, said)],
        )


class CouponOfAnother(Conflict):
    code = "coupon_of_another"
    title = "The coupon is another person's"
    title_fa = "کد تخفیف از آنِ شخص دیگری است"

    def __init__(self, code: str) -> None:
        super().__init__(
            f"Coupon {code} was issued to another person; it is good for that person's purchases only.",
            fa=f"کد {code} برای مشتری دیگری صادر شده است و تنها برای خرید خود او به کار می‌آید.",
            errors=[FieldError(_POINTER, self.code, "was issued to another person")],
        )


class CouponOfAnotherCurrency(Conflict):
    code = "coupon_of_another_currency"
    title = "The coupon is in another currency"
    title_fa = "واحد پول کد تخفیف دیگر است"

    def __init__(self, code: str, currency: str) -> None:
        super().__init__(
            f"Coupon {code} takes off an amount in {currency}; the purchase is in another currency.",
            fa=f"کد {code} مبلغی به {currency} کم می‌کند و واحد پول این خرید دیگر است.",
            errors=[FieldError(_POINTER, self.code, f"is in {currency}")],
        )
