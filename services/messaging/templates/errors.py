"""What templates refuse."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Conflict, FieldError, Invalid, NotFound


class TemplateNotFound(NotFound):
    code = "template_not_found"
    title = "No such template"
    title_fa = "چنین قالبی نیست"

    def __init__(self, code: str) -> None:
        super().__init__(f"There is no template {code!r}.", fa=f"قالبی با کد «{code}» نیست.")


class TemplateExists(Conflict):
    code = "template_exists"
    title = "The code is taken"
    title_fa = "این کد پیش‌تر به کار رفته است"

    def __init__(self, code: str) -> None:
        super().__init__(
            f"A template {code!r} exists; change it by PATCH, or choose another code.",
            fa=f"قالبی با کد «{code}» هست؛ آن را با PATCH تغییر دهید یا کد دیگری بگذارید.",
        )


class TemplateInUse(Conflict):
    code = "template_in_use"
    title = "The template is in use"
    title_fa = "این قالب در حال استفاده است"

    def __init__(self, code: str, automations: Sequence[str]) -> None:
        names = ", ".join(automations)
        super().__init__(
            f"Template {code!r} is sent by {names}; change that first.",
            fa=f"قالب «{code}» در {names} به کار رفته است؛ نخست آن را تغییر دهید.",
        )


class TemplateInvalid(Invalid):
    code = "template_invalid"
    title = "The template cannot be rendered"
    title_fa = "قالب درست نیست"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(
            "; ".join(error.message for error in errors),
            fa="متن قالب درست نیست؛ خطاها را ببینید.",
            errors=errors,
        )
