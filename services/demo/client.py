"""The public API and the sandbox's phone, as the demo uses them, and waiting for effects."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

T = TypeVar("T")

Json = dict[str, Any]
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 1.0


class DemoFailed(Exception):
    """What did not happen, in a sentence."""


class Api:
    """A deployment behind one address, and the sandbox that takes its messages."""

    def __init__(self, url: str, token: str, sandbox_url: str) -> None:
        self.url, self.sandbox_url = url.rstrip("/"), sandbox_url.rstrip("/")
        self._deployment = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=120)
        self._sandbox = httpx.Client(base_url=self.sandbox_url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deployment.close()
        self._sandbox.close()

    def get(self, path: str, **params: Any) -> Json:
        """Read something; raises `DemoFailed` where it is refused."""
        return _opened(_sent(self._deployment, "GET", path, params=params))

    def find(self, path: str, **params: Any) -> Json | None:
        """Read something that may not be there yet."""
        answer = _sent(self._deployment, "GET", path, params=params)
        return None if answer.status_code == httpx.codes.NOT_FOUND else _opened(answer)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """Do something; raises `DemoFailed` where it is refused."""
        return _opened(_sent(self._deployment, "POST", path, json=body))

    def post_lines(self, path: str, lines: Sequence[bytes]) -> Json:
        """Send many items as NDJSON."""
        headers = {"Content-Type": "application/x-ndjson"}
        return _opened(_sent(self._deployment, "POST", path, content=b"\n".join(lines), headers=headers))

    def change(self, path: str, edit: Callable[[Json], Json]) -> Json:
        """Change what `path` holds by what `edit` makes of it; read again where somebody else came between."""
        while True:
            before = _sent(self._deployment, "GET", path)
            body = edit(_opened(before))
            headers = {"If-Match": before.headers["etag"]} if "etag" in before.headers else {}
            answer = _sent(self._deployment, "PATCH", path, json=body, headers=headers)
            if answer.status_code != httpx.codes.PRECONDITION_FAILED:
                return _opened(answer)

    def on_phone(self, number: str) -> list[Json]:
        """Return what a phone of the sandbox shows, oldest first."""
        items: list[Json] = _opened(_sent(self._sandbox, "GET", "/sandbox/messages", params={"to": number}))["items"]
        return items

    def hook_line(self, line: str, urls: Mapping[str, str]) -> None:
        """Have a line of the sandbox call `urls`, by kind, of what is delivered and what comes in."""
        hooks = {kind: {"url": url} for kind, url in urls.items()}
        _opened(_sent(self._sandbox, "PUT", f"/sandbox/lines/{line}", json={"hooks": hooks}))

    def reply(self, number: str, text: str) -> Json:
        """Answer by SMS to the line that wrote last."""
        return _opened(_sent(self._sandbox, "POST", "/sandbox/replies", json={"from": number, "text": text}))


def wait_for(look: Callable[[], T | None], what: str, *, within: float = 30.0) -> T:
    """Return the first answer of `look` that is there; raises `DemoFailed` when `within` seconds have brought none."""
    deadline, pause = time.monotonic() + within, FIRST_WAIT_S
    while True:
        seen = look()
        if seen is not None:
            return seen
        if time.monotonic() > deadline:
            raise DemoFailed(f"{what} did not happen within {within:.0f} s.")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_WAIT_S)


def _sent(client: httpx.Client, method: str, path: str, **given: Any) -> httpx.Response:
    try:
        return client.request(method, path, **given)
    except httpx.HTTPError as error:
        raise DemoFailed(f"Nobody answers {method} {client.base_url.join(path)}: {error}") from error


def _opened(answer: httpx.Response) -> Json:
    if answer.is_success:
        body: Json = answer.json() if answer.content else {}
        return body
    try:
        problem = answer.json()
        why = f"{problem.get('code')}: {problem.get('detail')}"
    except ValueError:
        why = answer.text[:200]
    raise DemoFailed(f"{answer.request.method} {answer.request.url.path} was refused with {answer.status_code}, {why}")
