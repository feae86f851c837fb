"""What automations refuse."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import FieldError, Invalid, NotFound


class AutomationNotFound(NotFound):
    """There is no such automation."""

    code = "automation_not_found"
    title = "No such automation"
    title_fa = "چنین گردش کاری نیست"

    def __init__(self, code: str) -> None:
        super().__init__(f"There is no automation {code!r}.", fa=f"گردش کاری با کد «{code}» نیست.")


class AutomationDoesNotFit(Invalid):
    """A step or the trigger names what there is not."""

    code = "automation_does_not_fit"
    title = "The automation does not fit"
    title_fa = "گردش کار درست نیست"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(
            " ".join(error.message for error in errors),
            fa=" ".join(error.fa or error.message for error in errors),
            errors=errors,
        )
