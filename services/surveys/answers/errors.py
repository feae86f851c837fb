"""What an answer is refused for."""

from __future__ import annotations

from uuid import UUID

from services.surveys.scales import Rule
from shared.errors import FieldError, Invalid, NotFound
from shared.persian.digits import numeral


class AnswerNotFound(NotFound):
    """There is no such answer."""

    code = "answer_not_found"
    title = "No such answer"
    title_fa = "چنین پاسخی نیست"

    def __init__(self, answer_id: UUID) -> None:
        super().__init__(f"There is no answer {answer_id}.", fa=f"پاسخی با شناسهٔ {answer_id} یافت نشد.")


class OffScale(Invalid):
    """The value is not on the survey's scale."""

    code = "off_scale"
    title = "Not on the scale"
    title_fa = "بیرون از مقیاس"

    def __init__(self, value: int, rule: Rule) -> None:
        super().__init__(
            f"{value} is not on the scale; {rule.low} to {rule.high} is.",
            fa=f"{numeral(value)} در مقیاس نیست؛ پاسخ عددی از {numeral(rule.low)} تا {numeral(rule.high)} است.",
            errors=[FieldError("/value", self.code, f"{rule.low} to {rule.high}.")],
        )
