"""How facts are written: a row once by its id, and a mark for the folder in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Facts:
    """A table of facts and the types of its columns, the id first."""

    table: str
    columns: Mapping[str, str]

    @cached_property
    def insert(self) -> str:
        """Return the statement that takes sorted arrays, a column each, and leaves out rows that there are."""
        arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(self.columns.values(), 1))
        into = f"{self.table} ({', '.join(self.columns)})"
        return f"INSERT INTO {into} SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"


PURCHASES = Facts(
    "purchases",
    {
        "purchase_id": "uuid",
        "person_id": "uuid",
        "occurred_at": "timestamptz",
        "amount_minor": "bigint",
        "discount_minor": "bigint",
        "currency": "text",
        "channel": "text",
    },
)
REFUNDS = Facts("refunds", {"refund_id": "uuid", "purchase_id": "uuid", "amount_minor": "bigint", "currency": "text"})
CANCELLATIONS = Facts("cancellations", {"purchase_id": "uuid"})
MERGES = Facts("merges", {"person_id": "uuid", "other_id": "uuid"})
LEADS = Facts(
    "leads",
    {
        "lead_id": "uuid",
        "person_id": "uuid",
        "captured_at": "timestamptz",
        "source": "text",
        "campaign": "text",
        "product": "text",
        "awareness": "text",
        "agent_id": "uuid",
        "due_at": "timestamptz",
        "born_answered": "boolean",
    },
)
LEAD_ANSWERS = Facts(
    "lead_answers",
    {
        "touch_id": "uuid",
        "lead_id": "uuid",
        "asked_at": "timestamptz",
        "recorded_at": "timestamptz",
        "in_time": "boolean",
        "agent_id": "uuid",
        "version": "bigint",
    },
)
LEAD_OWNERS = Facts("lead_owners", {"event_id": "uuid", "lead_id": "uuid", "agent_id": "uuid", "version": "bigint"})
LEAD_UPDATES = Facts(
    "lead_updates",
    {
        "event_id": "uuid",
        "lead_id": "uuid",
        "campaign": "text",
        "product": "text",
        "awareness": "text",
        "version": "bigint",
    },
)
LEAD_OUTCOMES = Facts(
    "lead_outcomes", {"event_id": "uuid", "lead_id": "uuid", "outcome": "text", "occurred_at": "timestamptz"}
)
LEAD_REOPENINGS = Facts(
    "lead_reopenings", {"event_id": "uuid", "lead_id": "uuid", "asked_at": "timestamptz", "due_at": "timestamptz"}
)

_ASKED = {
    "kind": "text",
    "scale": "text",
    "survey": "text",
    "touchpoint": "text",
    "product": "text",
    "agent_id": "uuid",
}

INVITATIONS = Facts(
    "invitations",
    {"invitation_id": "uuid", "person_id": "uuid", "invited_at": "timestamptz", "channel": "text", **_ASKED},
)
ANSWERS = Facts(
    "answers",
    {
        "event_id": "uuid",
        "invitation_id": "uuid",
        "person_id": "uuid",
        "occurred_at": "timestamptz",
        "revision": "integer",
        "version": "bigint",
        **_ASKED,
        "value": "integer",
        "category": "text",
    },
)

DELIVERIES = """
INSERT INTO deliveries (invitation_id, delivered_at)
SELECT invitation_id, min(delivered_at)
FROM unnest($1::uuid[], $2::timestamptz[]) AS told (invitation_id, delivered_at)
GROUP BY invitation_id ORDER BY invitation_id
ON CONFLICT (invitation_id) DO UPDATE SET delivered_at = least(deliveries.delivered_at, EXCLUDED.delivered_at)
"""
"""Of a delivery that is told of twice the first time counts."""

DROP = "DELETE FROM {table} WHERE {column} = ANY($1::uuid[])"

MARK = "INSERT INTO dirty (person_id) SELECT * FROM unnest($1::uuid[])"
