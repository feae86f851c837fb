"""The story of one customer, from the form to the apology, step by step (DESIGN.md, "The main job")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from services.demo import figures
from services.demo.client import Api, DemoFailed, Json, wait_for
from services.demo.person import Person, make_up
from services.demo.preparing import ensure_sandbox_panel, ensure_staff, survey_soon_after

PRICE_MINOR = 24_500_000
ENDED_BADLY = frozenset({"suppressed", "failed", "undelivered", "cancelled"})


def play(api: Api, console: Console) -> None:
    """Play the whole story; raises `DemoFailed` naming the first step that does not happen."""
    story = Story(api, console)
    with story.step("The deployment is ready: SMS go to the sandbox, somebody is there to answer"):
        line, agent = ensure_sandbox_panel(api), ensure_staff(api)
        story.person = make_up(api)
        before = figures.read(api)
        story.say(f"line {line}, agent {agent['first_name']}, and {story.person.first_name} who is made up")
    story.captured()
    story.converted()
    with survey_soon_after(api, story.person.product):
        story.bought()
        story.asked()
    story.answered()
    story.made_good()
    story.counted(before)
    console.print(f"\n[bold green]✓[/] The story is told. {story.person.first_name}'s phone: {story.phone_page}")


class Story:
    """What the steps know of each other: the person, their ids, and which SMS have been seen."""

    def __init__(self, api: Api, console: Console) -> None:
        self.api = api
        self.console = console
        self.person = Person("")
        self.person_id = ""
        self.lead: Json = {}
        self.ticket: Json = {}
        self._steps = 0

    @property
    def phone_page(self) -> str:
        return f"{self.api.sandbox_url}/sandbox?phone={self.person.number}"

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say what comes, and name it where it does not."""
        self._steps += 1
        self.console.print(f"\n[bold cyan]{self._steps}.[/] [bold]{title}[/]")
        try:
            yield
        except DemoFailed as failure:
            raise DemoFailed(f"Step {self._steps} did not happen: {title}. {failure}") from failure

    def say(self, text: str) -> None:
        """Print what has been seen to happen."""
        self.console.print(f"   [green]✓[/] {text}", highlight=False)

    def captured(self) -> None:
        """A form posts a lead; it is assigned, its clock runs, and it is acknowledged by SMS."""
        person = self.person
        with self.step(f"A form posts a lead: «{person.first_name} {person.last_name}», «{person.typed}»"):
            self.lead = self.api.post(
                "/v1/leads",
                {
                    "first_name": person.first_name, "last_name": person.last_name, "phone": person.typed,
                    "source": "website", "product": person.product, "accepts_promotional": True,
                },
            )  # fmt: skip
            self.person_id = self.lead["person_id"]
            _expect(self.lead["phone"] == f"+98{person.number[1:]}", f"The number was read as {self.lead['phone']}")
            _expect(self.lead["agent_id"], "Nobody was assigned")
            self.say(f"{self.lead['phone']}, assigned, to be answered by {self.lead['response_due_at']}")
            self.sms("acknowledgement", lambda message: message["automation"] == "acknowledge_lead")

    def converted(self) -> None:
        """The agent calls, qualifies and converts; the customer is opened and welcomed."""
        with self.step("The agent calls, qualifies and converts; the profile opens, and a welcome goes out"):
            lead = f"/v1/leads/{self.lead['id']}"
            touch = self.api.post(f"{lead}/touches", {"channel": "call", "reached": True})
            self.api.post(f"{lead}/qualify")
            self.api.post(f"{lead}/convert")
            self.say(f"answered in {touch['response_s']} working seconds, in time: {touch['in_time']}")
            customer = wait_for(
                lambda: self.api.find(f"/v1/customers/{self.person_id}"), "The opening of the customer's profile"
            )
            self.say(f"customer {self.person_id}, stage {customer['stage']}")
            self.sms("welcome", lambda message: message["automation"] == "welcome")

    def bought(self) -> None:
        """A purchase comes in; type and stage change, and a coupon is sent with thanks, by first name."""
        with self.step("A purchase comes in; type and stage change, and thanks go out with a coupon"):
            line = {"product": self.person.product, "category": "demo", "amount_minor": PRICE_MINOR}
            self.api.post("/v1/purchases", {"person_id": self.person_id, "channel": "shop", "lines": [line]})
            customer = wait_for(self._actual_customer, "The change of type and stage")
            self.say(f"types {', '.join(customer['types'])}; stage {customer['stage']} ({customer['stage_reason']})")
            coupon = wait_for(lambda: self._newest("/v1/coupons"), "The issue of a coupon")
            text = self.sms("thank-you", lambda message: message["automation"] == "thank_you_coupon")
            _expect(coupon["code"] in text, f"The thanks do not hold the coupon's code {coupon['code']}")
            _expect(self.person.first_name in text, f"The thanks do not name {self.person.first_name}")

    def asked(self) -> None:
        """The CSAT question goes out; for this run's product after seconds instead of days."""
        with self.step("The question how it went goes out by SMS"):
            self.sms("question", lambda message: message["invitation_id"] is not None)

    def answered(self) -> None:
        """The customer answers ۲: recorded, a complaint for a manager, an apology, promotion held back."""
        with self.step("The customer answers «۲»; a manager has a complaint, and an apology goes out"):
            self.api.reply(self.person.number, "۲")
            answer = wait_for(lambda: self._newest("/v1/answers"), "The recording of the answer")
            seen = (answer["value"], answer["category"])
            _expect(seen == (2, "unsatisfied"), f"The answer was recorded as {seen[0]}, {seen[1]}")
            self.say(f"{answer['value']} of 5: {answer['category']}")
            self.ticket = wait_for(lambda: self._newest("/v1/tickets"), "The opening of a complaint")
            _expect(self.ticket["kind"] == "complaint", f"A {self.ticket['kind']} was opened instead of a complaint")
            _expect(self.ticket["for_manager"], "The complaint did not go to a manager")
            self.say("a complaint for a manager")
            self.sms("apology", lambda message: message["automation"] == "apology")
            self._promotion_is_held_back()

    def made_good(self) -> None:
        """The manager answers and resolves the complaint: the loop is closed, and timed."""
        with self.step("The manager calls back and resolves the complaint; the loop is closed"):
            ticket = f"/v1/tickets/{self.ticket['id']}"
            self.api.post(f"{ticket}/answer", {"text": "پوزش خواستیم و کالا را عوض کردیم."})
            self.api.post(f"{ticket}/resolve", {"cause": "product"})
            answer = wait_for(self._closed_loop, "The closing of the loop")
            self.say(f"closed {answer['loop_after_s']} s after the answer")

    def counted(self, before: dict[str, figures.Reading]) -> None:
        """The figures have moved, and every message is reported delivered."""
        with self.step("Every SMS is reported delivered, and the figures have moved"):
            delivered = wait_for(self._all_delivered, "The delivery of every SMS", within=90)
            self.say(f"{delivered} SMS delivered")
            after = wait_for(lambda: self._moved(before), "The change of the figures", within=60)
            figures.show_change(before, after, self.console)

    def sms(self, what: str, is_it: Callable[[Json], bool]) -> str:
        """Wait until the phone shows the message that `is_it` knows; print it, and return its text."""
        text = wait_for(lambda: self._on_phone(is_it), f"The {what} by SMS", within=45)
        title = f"{self.person.first_name}'s phone"
        self.console.print(Panel(Text(text, justify="right"), title=title, title_align="left", width=64))
        return text

    def _on_phone(self, is_it: Callable[[Json], bool]) -> str | None:
        message = next((each for each in self._items("/v1/messages") if is_it(each)), None)
        if message is None or message["text"] is None:
            _expect(message is None or message["status"] not in ENDED_BADLY, f"It was {_why(message)}")
            return None
        _expect(message["status"] not in ENDED_BADLY, f"It was {_why(message)}")
        shown = [each["text"] for each in self.api.on_phone(self.person.number)]
        text: str = message["text"]
        return text if text in shown else None

    def _promotion_is_held_back(self) -> None:
        text = "فقط تا فردا: ۲۰٪ تخفیف برای همهٔ کالاها\nلغو۱۱"
        sent = self.api.post(
            "/v1/messages", {"person_id": self.person_id, "text": text, "channel": "sms", "purpose": "promotional"}
        )
        decided = wait_for(lambda: self._ended(sent["id"]), "The decision on a promotional message")
        _expect(decided["reason"] == "promotion_paused", f"A promotional message was {_why(decided)}")
        self.say("promotion is held back: an advertisement was suppressed, promotion_paused")

    def _ended(self, message_id: str) -> Json | None:
        message = self.api.get(f"/v1/messages/{message_id}")
        return message if message["status"] not in {"queued", "sending"} else None

    def _actual_customer(self) -> Json | None:
        customer = self.api.get(f"/v1/customers/{self.person_id}")
        return customer if {"actual", "new"} <= set(customer["types"]) and customer["stage"] == "conversion" else None

    def _closed_loop(self) -> Json | None:
        answer = self._newest("/v1/answers")
        return answer if answer and answer["loop"] == "closed" else None

    def _all_delivered(self) -> int | None:
        sent = [each for each in self._items("/v1/messages") if each["purpose"] != "promotional"]
        return len(sent) if all(each["status"] == "delivered" for each in sent) else None

    def _moved(self, before: dict[str, figures.Reading]) -> dict[str, figures.Reading] | None:
        after = figures.read(self.api)
        grown = all(after[figure].count > before[figure].count for figure in ("leads_captured", "purchases", "csat"))
        return after if grown else None

    def _newest(self, path: str) -> Json | None:
        return next(iter(self._items(path)), None)

    def _items(self, path: str) -> list[Any]:
        items: list[Any] = self.api.get(path, person_id=self.person_id)["items"]
        return items


def _expect(held: object, otherwise: str) -> None:
    if not held:
        raise DemoFailed(f"{otherwise}.")


def _why(message: Json | None) -> str:
    return f"{message['status']}: {message['reason']}" if message else "not there"
