"""Every refusal Peyvand can give, and the HTTP status each is rendered with.

    PeyvandError
    ├── Invalid              422  the payload does not fit
    ├── Unauthorized         401  no token, or one that does not verify
    ├── Forbidden            403  a token that does not reach this far
    ├── NotFound             404
    ├── Conflict             409  the state of the thing does not allow it
    ├── Gone                 410  it was here, and was erased or has expired
    ├── PreconditionFailed   412  `If-Match` names an older version
    ├── PayloadTooLarge      413
    ├── TooManyRequests      429
    └── Unavailable          503  a service we need does not answer

Services subclass these beside what refuses, with a `code` of their own. A message says what was wrong with
which value, and what would be right; `fa` says the same in Persian.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a payload that does not fit: `pointer` is a JSON pointer such as `/phone`.

    `fa` says in Persian what `message` does. Where a refusal is about one field, its own Persian text says it too.
    """

    pointer: str
    code: str
    message: str
    fa: str | None = None


class PeyvandError(Exception):
    """A refusal with a stable `code`; rendered as `application/problem+json`."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    title_fa: ClassVar[str] = "خطای داخلی"
    headers: Mapping[str, str] = {}
    """What the answer says beside its body."""

    def __init__(self, detail: str, *, fa: str | None = None, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.detail_fa = fa
        self.errors = tuple(errors)


class Invalid(PeyvandError):
    status = 422
    code = "invalid"
    title = "The request does not fit"
    title_fa = "درخواست درست نیست"


class Unauthorized(PeyvandError):
    status = 401
    code = "unauthorized"
    title = "Not signed in"
    title_fa = "وارد نشده‌اید"


class BadToken(Unauthorized):
    code = "bad_token"
    title = "The token does not verify"
    title_fa = "توکن پذیرفته نیست"


class Forbidden(PeyvandError):
    status = 403
    code = "forbidden"
    title = "Not allowed"
    title_fa = "اجازه ندارید"


class NotFound(PeyvandError):
    status = 404
    code = "not_found"
    title = "Not found"
    title_fa = "یافت نشد"


class Conflict(PeyvandError):
    status = 409
    code = "conflict"
    title = "Not possible in the present state"
    title_fa = "در وضعیت کنونی شدنی نیست"


class Gone(PeyvandError):
    status = 410
    code = "gone"
    title = "No longer here"
    title_fa = "دیگر در دسترس نیست"


class PreconditionFailed(PeyvandError):
    status = 412
    code = "precondition_failed"
    title = "Changed by somebody else meanwhile"
    title_fa = "در این میان تغییر کرده است"


class PayloadTooLarge(PeyvandError):
    status = 413
    code = "payload_too_large"
    title = "Too large"
    title_fa = "بیش از اندازه بزرگ است"


class TooManyRequests(PeyvandError):
    status = 429
    code = "too_many_requests"
    title = "Too many requests"
    title_fa = "درخواست‌ها بیش از اندازه است"


class Unavailable(PeyvandError):
    status = 503
    code = "unavailable"
    title = "Not available for the moment"
    title_fa = "فعلاً در دسترس نیست"
