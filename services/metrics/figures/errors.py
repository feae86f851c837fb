"""What a question about figures can be refused for; each refusal names what is possible."""

from __future__ import annotations

from collections.abc import Iterable

from shared.errors import FieldError, Invalid, NotFound, Unavailable
from shared.persian.digits import numeral


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


class UnknownFigure(NotFound):
    """There is no figure of this name."""

    code = "unknown_figure"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"There is no figure {name[:60]!r}; there are {_listed(known)}.",
            fa=f"شاخصی به نام «{name[:60]}» نیست؛ شاخص‌های موجود: {_listed(known)}.",
        )


class UnknownDimension(Invalid):
    """The figure cannot be split by this."""

    code = "unknown_dimension"

    def __init__(self, figure: str, by: str, known: Iterable[str]) -> None:
        can = _listed(known)
        message = f"{figure} cannot be split by {by[:60]!r}; " + (f"by {can} it can." if can else "by nothing it can.")
        super().__init__(
            message,
            fa=f"{figure} به تفکیک «{by[:60]}» داده نمی‌شود؛ تفکیک‌های ممکن: {can or 'هیچ‌کدام'}.",
            errors=[FieldError("/query/by", self.code, message)],
        )


class TooManyPeriods(Invalid):
    """The span has more periods than one answer holds."""

    code = "too_many_periods"

    def __init__(self, count: int, most: int) -> None:
        message = f"That is {count} periods, and one answer holds {most}; ask for a longer interval or a shorter span."
        super().__init__(
            message,
            fa=f"این بازه {numeral(count)} دوره دارد و "
            f"گنجایش یک پاسخ {numeral(most)} دوره است؛ بازه را کوتاه‌تر یا دوره را بلندتر کنید.",
            errors=[FieldError("/query/interval", self.code, message)],
        )


class ScalesNotPooled(Invalid):
    """Answers on different scales cannot be counted as one."""

    code = "scales_not_pooled"

    def __init__(self, scales: Iterable[str]) -> None:
        can = _listed(scales)
        message = f"There are answers on the scales {can}, which are not pooled; choose one by scale=, or ask by=scale."
        super().__init__(
            message,
            fa=f"پاسخ‌ها در مقیاس‌های {can} هستند و با هم جمع نمی‌شوند؛ یکی را با scale برگزینید یا by=scale بپرسید.",
            errors=[FieldError("/query/scale", self.code, message)],
        )


class CountingTookTooLong(Unavailable):
    """A figure that is not kept could not be counted within the time limit."""

    code = "counting_took_too_long"
    title = "Counting took too long"
    title_fa = "شمارش بیش از اندازه طول کشید"

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"Counting this span on demand took over {limit_s:g} s; whole days, weeks, months, quarters and years "
            "of either calendar are kept and cost nothing.",
            fa=f"شمارش این بازه بیش از {numeral(limit_s)} ثانیه طول کشید؛ "
            "روز، هفته، ماه، فصل و سال کامل از پیش شمرده‌اند.",
        )
