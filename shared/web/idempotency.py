"""`Idempotency-Key`: a POST that is sent twice has one effect, and its first answer is given again for 24 hours.

Key and answer are stored in the transaction of the effect, by subject and route, last of all; nothing is looked up
before. The primary key decides: of several transactions with one key the first to commit stays, and each other finds
the key stored, is undone, and gives the answer of that one. So a new key costs one statement, and only a repeat does
its work in vain (docs/adr/0020). Repeats that come to this process while the first is at work are told so at once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, NamedTuple, Protocol
from uuid import UUID

import asyncpg
import orjson
from fastapi import Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import utcnow
from shared.db import before_commit, driver
from shared.errors import Conflict, FieldError, Gone, Invalid, PeyvandError
from shared.persian.digits import numeral
from shared.web.auth import Principal
from shared.web.transactions import end_with, runtime_of, transaction_of

HEADER = "idempotency-key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)
LONGEST_KEY = 255
OFF_LOOP_BYTES = 1024 * 1024

_ATTEMPT = "peyvand.idempotency.attempt"
_HASH_ONLY = "peyvand.idempotency.hash_only"
_BOX = "peyvand.idempotency.box"
_ABOUT = "idempotency.person_id"

FIND = """
SELECT request_hash, status, headers::text, body FROM idempotency_keys
WHERE subject = $1 AND route = $2 AND key = $3 AND created_at > $4
"""
STORE = """
INSERT INTO idempotency_keys AS kept (subject, route, key, request_hash, status, headers, body, person_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (subject, route, key) DO UPDATE
SET request_hash = excluded.request_hash, status = excluded.status, headers = excluded.headers,
    body = excluded.body, person_id = excluded.person_id, created_at = excluded.created_at
WHERE kept.created_at <= $10 OR (kept.status IS NULL AND kept.request_hash = excluded.request_hash)
RETURNING true
"""

Handler = Callable[[Request], Awaitable[Response]]


class BadIdempotencyKey(Invalid):
    code = "bad_idempotency_key"

    def __init__(self) -> None:
        super().__init__(
            f"Idempotency-Key must be 1 to {LONGEST_KEY} visible ASCII characters; a UUID is a good one.",
            fa=f"سرآیند Idempotency-Key باید ۱ تا {numeral(LONGEST_KEY)} نویسهٔ اسکی باشد؛ یک UUID مناسب است.",
            errors=[FieldError("/header/idempotency-key", self.code, "A UUID is a good key.")],
        )


class IdempotencyKeyInFlight(Conflict):
    """A request with this Idempotency-Key is still being worked on."""

    code = "idempotency_key_in_flight"
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is still being worked on; ask again in a moment.",
            fa="درخواستی با همین Idempotency-Key در حال انجام است؛ اندکی بعد دوباره بپرسید.",
        )


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key came with another request before; a new request needs a new key."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key came with another request before; a new request needs a new key.",
            fa="این Idempotency-Key پیش‌تر با درخواست دیگری آمده است؛ درخواست تازه کلید تازه می‌خواهد.",
        )


class AnswerErased(Gone):
    """The person whom the answer was about has been erased, and the answer with them."""

    code = "answer_erased"

    def __init__(self) -> None:
        super().__init__(
            "This request was done before; the person it was about has since been erased, and its answer with them.",
            fa="این درخواست پیش‌تر انجام شده است؛ اطلاعات شخص آن پاک شده و پاسخ آن هم دیگر نیست.",
        )


@dataclass(slots=True)
class Attempt:
    """A request with a key: whose it is, where it goes, and the hash of what it asks for; `kept` once it is stored."""

    subject: str
    route: str
    key: str
    request_hash: bytes
    kept: bool = False

    @property
    def name(self) -> tuple[str, str, str]:
        """Return what makes two attempts the same."""
        return self.subject, self.route, self.key


class Answered(NamedTuple):
    """An answer to be stored, and whom it is about."""

    attempt: Attempt
    answer: Response
    person_id: UUID | None


class Box(Protocol):
    """Encrypts what is stored, and decrypts what was."""

    def encrypt(self, data: bytes, /) -> bytes: ...
    def decrypt(self, token: bytes, /) -> bytes: ...


class _Stored(Exception):
    """The key was stored already, so this transaction is to be undone."""


async def attempt_of(request: Request) -> Attempt | None:
    """Return what is attempted with a key; None where the request has none."""
    attempt: Attempt | None = request.scope.get(_ATTEMPT)
    return attempt


AttemptDep = Annotated[Attempt | None, Depends(attempt_of)]
"""For routes that store their answers themselves, by `keep`."""


def about(tx: AsyncSession, person_id: UUID) -> None:
    """Say whom the answer of this request is about, so that erasing them empties it."""
    tx.info[_ABOUT] = person_id


def keep_hash_only(request: Request) -> None:
    """Store only the hash of this request: a bulk request is done again when repeated, which its ids make harmless."""
    request.scope[_HASH_ONLY] = True


def keep_sealed(request: Request, box: Box) -> None:
    """Store the answer of this request encrypted, as there is a secret in it. Say so before anything is refused."""
    request.scope[_BOX] = box


async def once(request: Request, route: str, principal: Principal | None, handler: Handler) -> Response:
    """Answer `request` by `handler`, or, if its key was answered before, by the answer that was stored."""
    attempt = Attempt(
        subject=principal.subject if principal is not None else "",
        route=route,
        key=_key(request),
        request_hash=await _hash(request, principal),
    )
    in_flight: set[tuple[str, str, str]] = request.app.state.keys_in_flight
    if attempt.name in in_flight:
        raise IdempotencyKeyInFlight
    in_flight.add(attempt.name)
    request.scope[_ATTEMPT] = attempt
    try:
        return await _attempted(request, attempt, handler)
    finally:
        in_flight.discard(attempt.name)


async def _attempted(request: Request, attempt: Attempt, handler: Handler) -> Response:
    """Do what is asked for, unless its key proves to be stored; also what is refused may have been done before."""
    now = utcnow()
    try:
        async with AsyncExitStack() as endings:
            end_with(request, endings)
            answer = await handler(request)
            if answer.status_code // 100 == 2 and not attempt.kept:  # noqa: PLR2004
                hash_only, box = bool(request.scope.get(_HASH_ONLY)), request.scope.get(_BOX)
                kept = answer if box is None else _with_body(answer, box.encrypt(bytes(answer.body)))
                store = partial(_store, attempt=attempt, answer=kept, hash_only=hash_only)
                before_commit(await transaction_of(request), store)
            return answer
    except (_Stored, PeyvandError) as refusal:
        async with runtime_of(request).db.connection() as connection:
            stored = await _stored_answer(connection, attempt, now, request.scope.get(_BOX))
        if stored is not None:
            return stored
        if isinstance(refusal, _Stored):
            raise IdempotencyKeyInFlight from refusal
        raise


def _key(request: Request) -> str:
    key = request.headers[HEADER].strip()
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise BadIdempotencyKey
    return key


async def _hash(request: Request, principal: Principal | None) -> bytes:
    """Hash what is asked for, and what of the answer the caller may see, so that a replay shows nobody more."""
    seen_by = (principal.sees_personal_data, str(principal.agent_id)) if principal is not None else ()
    asked = (
        request.scope["path"],
        request.scope["query_string"].decode("latin-1"),
        request.headers.get("content-type", ""),
        *map(str, seen_by),
    )
    digest = hashlib.sha256("\x00".join(asked).encode("utf-8", "surrogatepass"))
    body = await request.body()
    if len(body) > OFF_LOOP_BYTES:
        await asyncio.to_thread(digest.update, b"\x00" + body)
    else:
        digest.update(b"\x00" + body)
    return digest.digest()


async def _stored_answer(
    connection: asyncpg.Connection, attempt: Attempt, now: datetime, box: Box | None
) -> Response | None:
    row = await connection.fetchrow(FIND, attempt.subject, attempt.route, attempt.key, now - KEPT)
    if row is None:
        return None
    if row["request_hash"] != attempt.request_hash:
        raise IdempotencyKeyReused
    if row["status"] is None:
        return None
    if row["body"] is None:
        raise AnswerErased
    answer = Response(row["body"] if box is None else box.decrypt(row["body"]), status_code=row["status"])
    answer.raw_headers.extend((name.encode(), value.encode()) for name, value in orjson.loads(row["headers"]))
    answer.headers[REPLAYED] = "true"
    return answer


async def _store(tx: AsyncSession, *, attempt: Attempt, answer: Response, hash_only: bool) -> None:
    """Store the answer, after all else that is done before the commit: nobody waits for others with a key in hand."""
    await keep(tx, [Answered(attempt, answer, tx.info.get(_ABOUT))], hash_only=hash_only)


async def keep(tx: AsyncSession, answers: Sequence[Answered], *, hash_only: bool = False) -> None:
    """Store answers, last thing before the commit; raises, and all is to be undone, if one was stored already.

    They are stored in the order of their keys, so that no two transactions that store some wait for each other.
    """
    ordered = sorted(answers, key=lambda each: each.attempt.name)
    stored = await driver(tx).fetchmany(STORE, [_row(each, utcnow(), hash_only=hash_only) for each in ordered])
    if len(stored) < len(answers):
        raise _Stored


def _row(answered: Answered, now: datetime, *, hash_only: bool) -> tuple[Any, ...]:
    """Return the parameters of `STORE`."""
    attempt, answer, person_id = answered
    body = getattr(answer, "body", None)
    kept: tuple[Any, ...] = (None, None, None)
    if not hash_only and body is not None:
        kept = (answer.status_code, orjson.dumps(_headers(answer)).decode(), bytes(body))
    return *attempt.name, attempt.request_hash, *kept, person_id, now, now - KEPT


def _with_body(answer: Response, body: bytes) -> Response:
    other = Response(body, status_code=answer.status_code)
    other.raw_headers = answer.raw_headers
    return other


def _headers(answer: Response) -> list[tuple[str, str]]:
    """Return the answer's own headers; its length is told anew."""
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in answer.raw_headers
        if name.lower() != b"content-length"
    ]
