"""Fields that the payloads of this service share."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from shared.persian.digits import to_latin
from shared.persian.fields import read_by
from shared.persian.text import line
from shared.web.fields import Code

TITLE_LENGTH = 200
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}").fullmatch


def _number(value: Any) -> Any:
    """Read a number that was typed in any digits; anything else is left to the field's own check."""
    written = to_latin(value).strip() if isinstance(value, str) else ""
    return int(written) if _INTEGER(written) else value


Title = Annotated[str, Field(max_length=TITLE_LENGTH), read_by(line)]
"""A text of one line for people."""

TypedNumber = Annotated[int, Field(strict=True), BeforeValidator(_number)]
"""A whole number, also as text in Latin, Persian or Arabic-Indic digits."""

Codes = Annotated[list[Code], Field(max_length=50), AfterValidator(lambda codes: list(dict.fromkeys(codes)))]
"""Codes, each once, in the order given."""
