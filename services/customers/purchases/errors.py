"""What a purchase is refused for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.errors import Conflict, FieldError, NotFound
from shared.persian.digits import numeral


class PurchaseNotFound(NotFound):
    code = "purchase_not_found"
    title = "No such purchase"
    title_fa = "چنین خریدی نیست"

    def __init__(self, purchase_id: UUID) -> None:
        super().__init__(f"There is no purchase {purchase_id}.", fa=f"خریدی با شناسهٔ {purchase_id} نیست.")


class ExternalIdTaken(Conflict):
    """An external id came again with another purchase."""

    code = "external_id_taken"
    title = "Another purchase has this external id"
    title_fa = "این شناسهٔ بیرونی از آنِ خرید دیگری است"

    def __init__(self, source: str, external_id: str, purchase_id: UUID) -> None:
        super().__init__(
            f"External id {external_id!r} of {source!r} is purchase {purchase_id}, which has other content; "
            "a new purchase needs an external id of its own.",
            fa=f"شناسهٔ «{external_id}» از «{source}» پیش‌تر با محتوایی دیگر ثبت شده است؛ "
            "خرید تازه شناسهٔ خودش را می‌خواهد.",
        )


class PurchaseAlreadyCancelled(Conflict):
    code = "purchase_cancelled"
    title = "The purchase is cancelled"
    title_fa = "خرید لغو شده است"

    def __init__(self, purchase_id: UUID) -> None:
        super().__init__(
            f"Purchase {purchase_id} is cancelled: there is nothing of it to give back.",
            fa="این خرید لغو شده است و چیزی برای بازپرداخت ندارد.",
        )


class RefundBeforePurchase(Conflict):
    code = "refund_before_purchase"
    title = "Given back before it was bought"
    title_fa = "بازپرداخت پیش از خرید"

    def __init__(self, refunded_at: datetime, purchased_at: datetime) -> None:
        super().__init__(
            f"A refund at {refunded_at.isoformat()} lies before the purchase, which was at {purchased_at.isoformat()}; "
            "say when it was given back, or leave occurred_at out if it is now.",
            fa=f"زمان بازپرداخت ({refunded_at.isoformat()}) پیش از خرید ({purchased_at.isoformat()}) است؛ "
            "زمان درست را بنویسید، یا اگر همین اکنون است occurred_at را نفرستید.",
            errors=[FieldError("/occurred_at", self.code, f"the purchase was at {purchased_at.isoformat()}")],
        )


class RefundTooLarge(Conflict):
    code = "refund_too_large"
    title = "More than was paid"
    title_fa = "بیش از مبلغ پرداختی"

    def __init__(self, amount_minor: int, left_minor: int, currency: str) -> None:
        super().__init__(
            f"{amount_minor} {currency} cannot be given back: of what was paid {left_minor} {currency} is left.",
            fa=f"بازپرداخت {numeral(amount_minor)} {currency} شدنی نیست؛ "
            f"از مبلغ پرداختی {numeral(left_minor)} {currency} مانده است.",
        )
