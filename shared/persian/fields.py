"""Fields of pydantic schemas that are read by one of our own readers, refusing with its code and both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from shared.errors import Invalid

T = TypeVar("T")


def read_by(reader: Callable[[T], T]) -> AfterValidator:
    """Return a validator whose value is what `reader` makes of what was given.

    What the reader refuses becomes a fault of the field: its type is the refusal's code, `fa` in its context the
    Persian text.
    """

    def read(given: T) -> T:
        try:
            return reader(given)
        except Invalid as error:
            context = {"detail": error.detail, "fa": error.detail_fa or error.detail}
            raise PydanticCustomError(error.code, "{detail}", context) from error

    return AfterValidator(read)
