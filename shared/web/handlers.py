"""What every exception that leaves an endpoint is answered with."""

from __future__ import annotations

from http import HTTPStatus

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from shared.errors import Invalid, NotFound, PayloadTooLarge, PeyvandError, Unavailable
from shared.web.languages import PERSIAN, language
from shared.web.openapi import operations
from shared.web.problems import render
from shared.web.validation import Unreadable, refusal

log = structlog.get_logger(__name__)

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
)
"""The database's fault, which passes by itself."""

MET = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
"""Two transactions met, and this one gave way; nothing of it was kept."""

TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError, UnicodeEncodeError)
"""Text that PostgreSQL cannot hold: NUL, or half a surrogate pair."""

FAULTS = (
    DBAPIError,
    PoolTimeout,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    UnicodeEncodeError,
)
"""What may come of the database, of the way to it, or of values that it cannot hold."""

OUT_OF_RANGE = (asyncpg.NumericValueOutOfRangeError, asyncpg.DatetimeFieldOverflowError, OverflowError)


class NoSuchPath(NotFound):
    code = "no_such_path"
    title = "No such path"
    title_fa = "چنین نشانی‌ای نیست"

    def __init__(self, path: str) -> None:
        super().__init__(f"There is nothing at {path}.", fa=f"در نشانی {path} چیزی نیست.")


class MethodNotAllowed(PeyvandError):
    status = 405
    code = "method_not_allowed"
    title = "The path does not take this method"
    title_fa = "این نشانی چنین متدی ندارد"


class BadRequest(PeyvandError):
    status = 400
    code = "bad_request"
    title = "The request cannot be read"
    title_fa = "درخواست خوانا نیست"


class DatabaseAway(Unavailable):
    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The database does not answer; nothing was changed. Try again.",
            fa="پایگاه داده پاسخ نمی‌دهد؛ چیزی تغییر نکرد. دوباره تلاش کنید.",
        )


class Contended(Unavailable):
    code = "contended"

    def __init__(self) -> None:
        super().__init__(
            "Another change was at work on the same data; nothing of this one was kept. Try again.",
            fa="تغییر دیگری روی همین داده در جریان بود؛ از این درخواست چیزی ثبت نشد. دوباره تلاش کنید.",
        )


def install(app: FastAPI) -> None:
    """Answer every exception of `app` with a problem."""
    app.add_exception_handler(PeyvandError, _refused)
    app.add_exception_handler(RequestValidationError, does_not_fit)
    app.add_exception_handler(HTTPException, _http)
    for kind in FAULTS:
        app.add_exception_handler(kind, _database)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, PeyvandError)  # noqa: S101  (what it is registered for)
    if isinstance(error, Invalid) and request.method not in allowed_methods(request):
        return _not_allowed(request)  # the path is another route's, and no id
    return render(request, error)


async def does_not_fit(request: Request, error: Exception) -> Response:
    """Say which fields of a request do not fit."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return await _refused(request, refusal(error, persian=language(request) == PERSIAN))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _not_allowed(request)
    answer = render(request, _named(request, error))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _not_allowed(request: Request) -> Response:
    path, method = request.url.path, request.method
    answer = render(
        request, MethodNotAllowed(f"{path} does not take {method}.", fa=f"نشانی {path} متد {method} را نمی‌پذیرد.")
    )
    answer.headers["Allow"] = ", ".join(sorted(allowed_methods(request)))
    return answer


def allowed_methods(request: Request) -> set[str]:
    """Return the methods that the request's path takes, of all routes that answer there.

    A path that a route writes out, such as `/v1/customers/lookup`, is not also a value of `/v1/customers/{person_id}`.
    """
    matching = [route for route in operations(request.app) if route.path_regex.match(request.scope["path"])]
    written_out = [route for route in matching if not route.param_convertors]
    return {method for route in written_out or matching for method in route.methods}


def _named(request: Request, error: HTTPException) -> PeyvandError:
    if isinstance(error.__cause__, PeyvandError):
        return error.__cause__  # raised as the body was read, where FastAPI makes a 400 of every error
    match error.status_code:
        case 404:
            return NoSuchPath(request.url.path)
        case 413:
            return PayloadTooLarge("The body is too large.", fa="بدنهٔ درخواست بیش از اندازه بزرگ است.")
        case _:
            return BadRequest(str(error.detail), fa="درخواست خوانا نیست.")


async def _database(request: Request, error: Exception) -> Response:
    named = of_database(error)
    if named is None:
        raise error
    log.warning("database_refused", code=named.code, error=type(_root(error)).__name__)
    return render(request, named)


def of_database(error: BaseException) -> PeyvandError | None:
    """Return what a fault of the database is to the caller, or None where it is our own."""
    if isinstance(error, PoolTimeout):
        return DatabaseAway()
    root = _root(error)
    if isinstance(root, MET):
        return Contended()
    if isinstance(root, TEXT):
        return Unreadable.text()
    if isinstance(root, OUT_OF_RANGE):
        return Invalid("A number or a time is larger than can be kept.", fa="عدد یا زمانی بزرگ‌تر از حد مجاز است.")
    if isinstance(root, (*AWAY, ConnectionError, TimeoutError)) or _is_closed(root):
        return DatabaseAway()
    return None


def _is_closed(error: BaseException) -> bool:
    """Tell a closed connection from a wrong use of the driver, which is our own fault.

    One that the server has said goodbye to, and that is not closed yet, takes itself for busy.
    """
    if isinstance(error, asyncpg.InternalClientError):
        return "another operation" in str(error)
    return isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)


def _root(error: BaseException) -> BaseException:
    """Return the driver's error behind SQLAlchemy's, and behind a value that the driver could not send, why."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    if isinstance(error, asyncpg.DataError) and error.__cause__ is not None:
        return error.__cause__
    return error
