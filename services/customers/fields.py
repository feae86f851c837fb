"""Types of fields that several of the service's schemas have."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints
from pydantic.types import AwareDatetime

from shared.persian.text import Text

Code = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:\-]+$")]
"""A code such as `tehran`: Latin letters, digits, `_ . : -`."""

ShortText = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
LongText = Annotated[Text, StringConstraints(min_length=1, max_length=10_000)]
ExternalName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Instant = AwareDatetime
