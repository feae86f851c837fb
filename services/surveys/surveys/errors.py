"""What a survey is refused for."""

from __future__ import annotations

from uuid import UUID

from services.surveys.scales import scales_of
from shared.errors import Conflict, FieldError, Invalid, NotFound


class SurveyNotFound(NotFound):
    """There is no such survey."""

    code = "survey_not_found"
    title = "No such survey"
    title_fa = "چنین نظرسنجی‌ای نیست"

    def __init__(self, survey: UUID | str) -> None:
        super().__init__(f"There is no survey {survey}.", fa=f"نظرسنجی {survey} یافت نشد.")


class SurveyCodeTaken(Conflict):
    """Another survey has this code."""

    code = "survey_code_taken"
    title = "The code is taken"
    title_fa = "این کد گرفته شده است"

    def __init__(self, code: str) -> None:
        super().__init__(
            f"A survey with the code {code!r} exists already; choose another code.",
            fa=f"نظرسنجی دیگری با کد {code} هست؛ کد دیگری برگزینید.",
            errors=[FieldError("/code", self.code, "Choose another code.")],
        )


class ScaleDoesNotFit(Invalid):
    """This kind of survey does not have this scale."""

    code = "scale_does_not_fit"
    title = "The scale does not fit"
    title_fa = "مقیاس درست نیست"

    def __init__(self, kind: str, scale: str) -> None:
        right = ", ".join(scales_of(kind))
        super().__init__(
            f"A {kind} survey has no scale {scale}; it has {right}.",
            fa=f"نظرسنجی {kind} مقیاس {scale} ندارد؛ مقیاس آن یکی از این‌هاست: {right}.",
            errors=[FieldError("/scale", self.code, f"One of {right}.")],
        )


class TemplateMissing(Invalid):
    """A survey that is sent needs a template of messaging's."""

    code = "template_missing"
    title = "The template is missing"
    title_fa = "قالب پیام داده نشده است"

    def __init__(self, channel: str) -> None:
        super().__init__(
            f"A survey sent by {channel} needs the code of the template that asks it; only one by api needs none.",
            fa=f"نظرسنجی از راه {channel} کد قالب پیامی را می‌خواهد که پرسش را می‌فرستد.",
            errors=[FieldError("/template", self.code, "The code of a template of messaging.")],
        )
