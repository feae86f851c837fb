"""What a message says: its template, or its own text, filled from the card at the moment of sending."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Any

import asyncpg
import orjson

from services.messaging.contacts.cards import Card
from services.messaging.messages.decision import RenderingFailed
from services.messaging.messages.gathering import Batch
from services.messaging.providers.secrets import unsubscribe_token
from services.messaging.templates.rendering import PROVIDED, Rendered, RenderError, render
from services.messaging.templates.usecases import body_for
from shared.persian.calendar import to_jalali
from shared.persian.digits import to_persian
from shared.persian.phone import local


class Content:
    """One message's text, rendered once and only when it is asked for."""

    def __init__(self, row: asyncpg.Record, batch: Batch) -> None:
        self._row = row
        self._batch = batch

    def text(self) -> str:
        """Return the text; raises `RenderingFailed` with a code."""
        return self.rendered.text

    @property
    def card(self) -> Card | None:
        """Return the card of the receiver."""
        return self._batch.known(self._row["person_id"]).card

    @property
    def locale(self) -> str:
        """Return the receiver's language."""
        return self.card.locale if self.card else "fa"

    @property
    def unsubscribe_url(self) -> str | None:
        """Return where a receiver of email can have no more of this kind."""
        if self._row["channel"] != "email":
            return None
        settings = self._batch.settings
        return f"{settings.unsubscribe_url.rstrip('/')}/u/{unsubscribe_token(settings, self._row['id'])}"

    @cached_property
    def rendered(self) -> Rendered:
        """Return the texts."""
        if self._row["template"] is None:
            return Rendered(self._row["body"] or "", self._row["subject"])
        template = self._batch.templates.get(self._row["template"])
        if template is None:
            raise RenderingFailed("template_missing")
        try:
            return render(body_for(template.bodies, self.locale), self._values())
        except RenderError as error:
            raise RenderingFailed(error.code) from error

    def _values(self) -> dict[str, Any]:
        about = self._batch.known(self._row["about_id"]).card
        given = orjson.loads(self._row["variables"])
        if until := given.get("coupon_valid_until"):
            given["coupon_valid_until"] = _written(date.fromisoformat(until), self.locale)
        return {
            **dict.fromkeys(PROVIDED, ""),
            "opt_out_text": self._batch.settings.opt_out_text,
            "unsubscribe_url": self.unsubscribe_url or "",
            **_names(self.card, ""),
            **_names(about, "about_"),
            "about_phone": local(about.phones[0]) if about and about.phones else "",
            **given,
        }


def _names(card: Card | None, prefix: str) -> dict[str, str]:
    return {
        f"{prefix}first_name": (card.first_name if card else None) or "",
        f"{prefix}last_name": (card.last_name if card else None) or "",
    }


def _written(day: date, locale: str) -> str:
    """Write a date as its reader does."""
    return to_persian(to_jalali(day).replace("-", "/")) if locale == "fa" else day.isoformat()
