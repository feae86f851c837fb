"""The made-up customer of a run: a name and a number typed the Persian way."""

from __future__ import annotations

import random
from dataclasses import dataclass

from services.demo.client import Api, DemoFailed
from shared.persian.digits import to_persian

FIRST_NAME, LAST_NAME = "سارا", "نمونه"
TRIES = 50


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist; nobody can be called at a number of 0999 000."""

    number: str
    first_name: str = FIRST_NAME
    last_name: str = LAST_NAME

    @property
    def typed(self) -> str:
        """Return the number as somebody types it with a Persian keyboard."""
        parts = (self.number[:4], self.number[4:7], self.number[7:9], self.number[9:])
        return to_persian(" ".join(parts))

    @property
    def product(self) -> str:
        """Return the product that only this run sells."""
        return f"demo-{self.number[7:]}"


def make_up(api: Api) -> Person:
    """Return a person whom the deployment does not know yet."""
    for _ in range(TRIES):
        person = Person(f"0999000{random.randrange(1000, 10_000)}")  # noqa: S311  (not a secret)
        known = api.get("/v1/customers/lookup", phone=person.number)["items"]
        if not known and not api.get("/v1/leads", phone=person.number, limit=1)["items"]:
            return person
    raise DemoFailed(f"All of {TRIES} made-up numbers are known to this deployment already.")
