"""How often a caller may ask: counted for each token's subject, and by address for whoever asks without a token.

A process counts for itself alone (docs/adr/0018): n replicas of an API let n times as much through.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope

from shared.errors import TooManyRequests
from shared.persian.digits import numeral
from shared.settings import ServiceSettings

REMEMBERED = 20_000
"""Callers that a limit knows at once; of more, whoever has not asked for longest starts anew."""


class AskedTooOften(TooManyRequests):
    """Too many requests came from this caller in a short time; wait as long as Retry-After says."""

    code = "asked_too_often"

    def __init__(self, limit: Limit, wait_s: float) -> None:
        self.retry_after_s = max(1, math.ceil(wait_s))
        self.headers: Mapping[str, str] = {
            "RateLimit-Policy": f'"{limit.name}";q={limit.burst};w={math.ceil(limit.burst / limit.per_s)}',
            "RateLimit": f'"{limit.name}";r=0;t={self.retry_after_s}',
        }
        super().__init__(
            f"More than {limit.per_s:g} requests a second came from you; go on in {self.retry_after_s} s.",
            fa=f"بیش از {numeral(limit.per_s)} درخواست در ثانیه فرستاده‌اید؛ "
            f"{numeral(self.retry_after_s)} ثانیهٔ دیگر ادامه دهید.",
        )


class Limit:
    """Lets `per_s` requests a second through for each caller, and `burst` of them at once; 0 a second means any number.

    The generic cell rate algorithm: of a caller, only the instant is kept up to which their requests are paid for.
    """

    def __init__(self, name: str, per_s: float, burst: int) -> None:
        self.name, self.per_s, self.burst = name, per_s, burst
        self._costs_ns = round(1e9 / per_s) if per_s else 0
        self._ahead_ns = burst * self._costs_ns
        self._paid_until: OrderedDict[object, int] = OrderedDict()

    def take(self, caller: object) -> None:
        """Count a request of `caller`; raises `AskedTooOften` for one too many, which is not counted."""
        if not self._costs_ns:
            return
        self._paid_until[caller] = self._paid_for_one_more(caller)
        self._paid_until.move_to_end(caller)
        if len(self._paid_until) > REMEMBERED:
            self._paid_until.popitem(last=False)

    def refuse_spent(self, caller: object) -> None:
        """Raise `AskedTooOften` where one more request of `caller` would be one too many; counts nothing."""
        if self._costs_ns:
            self._paid_for_one_more(caller)

    def _paid_for_one_more(self, caller: object) -> int:
        now = time.monotonic_ns()
        paid_until = max(self._paid_until.get(caller, now), now) + self._costs_ns
        over_ns = paid_until - now - self._ahead_ns
        if over_ns > 0:
            raise AskedTooOften(self, over_ns / 1e9)
        return paid_until


class Limits:
    """The limits of an app."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.tokens = Limit("token", settings.requests_per_s, settings.requests_burst)
        self.machines = Limit("webhook", settings.requests_per_s, settings.requests_burst)
        self.strangers = Limit("address", settings.public_requests_per_s, settings.public_requests_burst)


def address_of(scope: Scope) -> str:
    """Return where a request comes from, so far as it tells callers apart: of IPv6, the network of one site."""
    client = scope.get("client")
    return _site(client[0]) if client else ""


@lru_cache(maxsize=4_096)
def _site(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
