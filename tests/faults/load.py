"""A load of the story's requests for made-up people: seeded, each person's story in order, many people at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, Final

import httpx

from shared.clock import utcnow
from tests.faults.caller import PATIENCE_S, Caller, Json, Unanswered
from tests.faults.ledger import Bought, Ledger, Person

PRODUCT: Final = "faults"
FIRST_NAMES: Final = ("سارا", "آرش", "نازنین", "پویا", "مینا", "کیان")
QUESTION: Final = "از خرید خود چقدر راضی هستید"
FIRST_NUMBER: Final = 1_000
LOOK_EVERY_S: Final = 0.3
OK: Final = frozenset({200, 201, 204})


@dataclass(slots=True)
class Load:
    """People living through the story against a deployment, until it is told to stop."""

    http: httpx.AsyncClient
    seed: int
    ledger: Ledger = field(default_factory=Ledger)
    cuts: float = 0.05
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: Any = field(default_factory=lambda: count(FIRST_NUMBER))

    async def prepare(self) -> None:
        """Have somebody there to answer, and the question asked a second after a purchase instead of days."""
        caller = self._caller("preparing")
        manager = await caller.post("/v1/agents", _staff("مهرداد", "۰۹۹۹ ۰۰۰ ۰۰ ۰۱", role="manager"))
        agent = _staff("نازنین", "۰۹۹۹ ۰۰۰ ۰۰ ۰۲", role="agent", manager_id=manager.json()["id"])
        _yes(await caller.post("/v1/agents", agent))
        path = "/v1/automations/csat_after_purchase"
        before = await caller.get(path)
        steps = [dict(step) for step in before.json()["steps"]]
        steps[0]["by_product"] = {PRODUCT: 1}
        headers = {"If-Match": before.headers["etag"]}
        _yes(await caller.send("PATCH", path, json={"steps": steps}, headers=headers))

    async def run(self, lives: int) -> None:
        """Let `lives` people at a time live, one after another, until `stopping` is set; raises what goes wrong."""
        async with asyncio.TaskGroup() as group:
            for _ in range(lives):
                group.create_task(self._one_after_another())

    async def _one_after_another(self) -> None:
        while not self.stopping.is_set():
            await self.one_life(next(self.numbers))

    async def one_life(self, number: int) -> None:
        """Make somebody up and live their story; the same seed and number give the same intentions."""
        chance = random.Random(f"{self.seed}:{number}")
        person = Person(f"0999000{number:04d}", chance.choice(FIRST_NAMES))
        self.ledger.people.append(person)
        caller = Caller(self.http, self.ledger, random.Random(f"{self.seed}:{number}:caller"), cuts=self.cuts)
        life = Life(caller, person, chance)
        await (life.of_a_walk_in() if chance.random() < 0.2 else life.of_a_lead())

    def _caller(self, name: str) -> Caller:
        return Caller(self.http, self.ledger, random.Random(f"{self.seed}:{name}"), cuts=0)


@dataclass(slots=True)
class Life:
    """One person's story, request by request."""

    caller: Caller
    person: Person
    chance: random.Random

    async def of_a_lead(self) -> None:
        """Ask, be called, perhaps agree, buy, answer and complain; a few are forgotten in the end."""
        chance = self.chance
        await self.capture()
        if chance.random() < 0.2:
            await self.capture_again()
        for _ in range(chance.choice((0, 1, 1, 2))):
            await self.touch()
        if chance.random() < 0.6:
            await self.qualify()
        if chance.random() < 0.6:
            await self.convert()
        for _ in range(chance.choice((0, 1, 1, 2))):
            await self.buy()
        await self.aftermath()

    async def of_a_walk_in(self) -> None:
        """Buy without having asked: known by an import of old purchases, and one of today."""
        await self.import_purchases()
        await self.aftermath()

    async def aftermath(self) -> None:
        """What may follow a purchase."""
        chance, person = self.chance, self.person
        if person.purchases and chance.random() < 0.3:
            await self.undo()
        if (person.purchases or person.converted) and chance.random() < 0.3:
            await self.complain()
        if any(each.greeted for each in person.purchases) and chance.random() < 0.6:
            await self.reply()
        if chance.random() < 0.08:
            await self.erase()

    async def capture(self) -> None:
        """A form posts the lead; now and then its button is pressed twice."""
        key = f"form-{self.chance.getrandbits(96):024x}"
        body = self._form()
        presses = 2 if self.chance.random() < 0.2 else 1
        answers = await asyncio.gather(*(self.caller.post("/v1/leads", body, key=key) for _ in range(presses)))
        said = {(_yes(answer)["id"], answer.status_code) for answer in answers}
        if len(said) != 1 or answers[0].status_code != httpx.codes.CREATED:
            raise Unanswered(f"One key, and these answers: {said}")
        self.person.lead_id, self.person.person_id = answers[0].json()["id"], answers[0].json()["person_id"]

    async def capture_again(self) -> None:
        """The same person asks again while the lead is open."""
        answer = _yes(await self.caller.post("/v1/leads", self._form()))
        if answer["id"] != self.person.lead_id:
            raise Unanswered(f"{self.person.number} has the leads {self.person.lead_id} and {answer['id']}")
        self.person.recaptured += 1

    async def touch(self) -> None:
        touch = _yes(await self.caller.post(f"{self._lead}/touches", {"channel": "call", "reached": True}))
        self.person.touches.append(touch["id"])
        if touch["answers"] and len(self.person.touches) == 1:
            self.person.in_time = bool(touch["in_time"])

    async def qualify(self) -> None:
        _yes(await self.caller.post(f"{self._lead}/qualify"))
        self.person.qualified = True

    async def convert(self) -> None:
        _yes(await self.caller.post(f"{self._lead}/convert"))
        self.person.converted = True

    async def buy(self) -> None:
        """Buy by number the first time, and with the coupon that came with the thanks the second time."""
        person = self.person
        amount = self.chance.randrange(1, 5_000) * 1_000
        body: Json = {"lines": [{"product": PRODUCT, "amount_minor": amount}], "channel": "shop"}
        if person.purchases:
            body |= {"person_id": person.person_id, "coupon_code": await self._coupon()}
        elif person.converted:
            await self._until_customer()
            body["person_id"] = person.person_id
        else:
            body["phone"] = person.typed
        answer = _yes(await self.caller.post("/v1/purchases", body))
        value = amount * 9 // 10 if person.purchases else amount
        person.person_id = answer["person_id"]
        person.coupon_used = body.get("coupon_code", person.coupon_used)
        person.purchases.append(Bought(answer["id"], utcnow(), value))
        person.converted = person.lead_id is not None

    async def import_purchases(self) -> None:
        """Send old purchases and one of today in bulk; their external ids make a repeat harmless."""
        now, person = utcnow(), self.person
        times = [now - timedelta(days=self.chance.randrange(2, 700), seconds=self.chance.randrange(86_400))
                 for _ in range(self.chance.randrange(4))]  # fmt: skip
        amounts = [self.chance.randrange(1, 5_000) * 1_000 for _ in range(len(times) + 1)]
        items = [
            {
                "phone": person.typed, "source": "shop", "external_id": f"{person.number}-{place}",
                "occurred_at": at.isoformat(), "lines": [{"product": PRODUCT, "amount_minor": amount}],
            }
            for place, (at, amount) in enumerate(zip([*times, now], amounts, strict=True))
        ]  # fmt: skip
        answer = _yes(await self.caller.post("/v1/purchases/bulk", {"items": items}))
        for result, at, amount in zip(answer["results"], [*times, now], amounts, strict=True):
            person.purchases.append(Bought(result["id"], at, amount, greeted=at is now))
        first = _yes(await self.caller.get(f"/v1/purchases/{person.purchases[0].id}"))
        person.person_id = first["person_id"]

    async def undo(self) -> None:
        """Give part of a purchase back, or all of it."""
        bought = self.chance.choice(self.person.purchases)
        path = f"/v1/purchases/{bought.id}"
        if self.chance.random() < 0.4:
            _yes(await self.caller.post(f"{path}/cancel"))
            bought.cancelled = True
        else:
            refund = bought.value_minor // 2
            if refund:
                _yes(await self.caller.post(f"{path}/refunds", {"amount_minor": refund}))
                bought.value_minor -= refund

    async def complain(self) -> None:
        await self._until_customer()
        body = {"person_id": self.person.person_id, "kind": "problem", "text": "بسته دیر رسید.", "product": PRODUCT}
        ticket = _yes(await self.caller.post("/v1/tickets", body))["id"]
        self.person.tickets.append(ticket)
        if self.chance.random() < 0.5:
            _yes(await self.caller.post(f"/v1/tickets/{ticket}/answer", {"text": "پوزش می‌خواهیم."}))
            _yes(await self.caller.post(f"/v1/tickets/{ticket}/resolve", {"cause": "delivery"}))

    async def reply(self) -> None:
        """Wait for the question on the phone, and answer it by SMS, once."""
        await self._until("question", self._asked)
        value = self.chance.randrange(1, 6)
        number = self.person.number
        while not (await self.caller.get("/sandbox/replies", **{"from": number})).json()["items"]:
            await self.caller.try_once("POST", "/sandbox/replies", json={"from": number, "text": str(value)})
        self.person.answer = value
        await self._until("answer", self._answered)

    async def erase(self) -> None:
        """Be forgotten: as a customer, or as a lead who never was one."""
        person = self.person
        if person.converted or person.purchases:
            await self._until_customer()
            await self._until("conversion", self._is_converted)
            path = f"/v1/customers/{person.person_id}"
        else:
            path = self._lead
        answer = await self.caller.send("DELETE", path)
        if answer.status_code not in {204, 404, 410}:
            raise Unanswered(f"DELETE {path}: {answer.status_code} {answer.text[:300]}")
        person.erased = True

    @property
    def _lead(self) -> str:
        return f"/v1/leads/{self.person.lead_id}"

    def _form(self) -> Json:
        return {
            "first_name": self.person.first_name, "last_name": "نمونه", "phone": self.person.typed,
            "source": "website", "product": PRODUCT,
        }  # fmt: skip

    async def _coupon(self) -> str:
        code: str = await self._until("coupon", self._issued)
        return code

    async def _issued(self) -> str | None:
        coupons = _yes(await self.caller.get("/v1/coupons", person_id=self.person.person_id))["items"]
        return next((each["code"] for each in coupons if each["status"] == "issued"), None)

    async def _asked(self) -> bool:
        shown = _yes(await self.caller.get("/sandbox/messages", to=self.person.number))["items"]
        return any(QUESTION in each["text"] for each in shown)

    async def _answered(self) -> bool:
        """Tell whether the answer is recorded, and where it was a bad one, a manager has it."""
        person_id = self.person.person_id
        answers = _yes(await self.caller.get("/v1/answers", person_id=person_id))["items"]
        tickets = _yes(await self.caller.get("/v1/tickets", person_id=person_id))["items"]
        return bool(answers) and any(each["answer_id"] for each in tickets) >= self.person.unhappy

    async def _is_converted(self) -> bool:
        """Tell whether the lead is closed by what was bought, for those who had one."""
        return self.person.lead_id is None or bool(_yes(await self.caller.get(self._lead))["converted_at"])

    async def _until_customer(self) -> None:
        await self._until("customer", self._is_customer)

    async def _is_customer(self) -> bool:
        return (await self.caller.get(f"/v1/customers/{self.person.person_id}")).is_success

    async def _until(self, what: str, look: Any) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while not (seen := await look()):
            if time.monotonic() > deadline:
                raise Unanswered(f"{self.person.number}: no {what} within {PATIENCE_S:.0f} s")
            await asyncio.sleep(LOOK_EVERY_S)
        return seen


def _staff(first_name: str, phone: str, **more: str) -> Json:
    return {"first_name": first_name, "last_name": "آزمایشی", "phone": phone, **more}


def _yes(answer: httpx.Response) -> Json:
    """Return what a request that must be granted was answered with."""
    if answer.status_code not in OK:
        request = answer.request
        raise Unanswered(f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:400]}")
    body: Json = answer.json()
    return body


def numbers_of(people: Sequence[Person]) -> dict[str, Person]:
    """Return people by the number of their phone as the panel writes it, without its 0."""
    return {person.number[1:]: person for person in people}
