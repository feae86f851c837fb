"""Examples that the API's description shows: one made-up customer, and what happened to her."""

from __future__ import annotations

from typing import Any, Final

PERSON_ID: Final = "0193a1c0-7d00-7000-8000-000000000002"
AGENT_ID: Final = "0193a1c0-7d00-7000-8000-00000000000a"
PURCHASE_ID: Final = "0193a1c0-7d00-7000-8000-000000000011"
TICKET_ID: Final = "0193a1c0-7d00-7000-8000-000000000021"
COUPON_ID: Final = "0193a1c0-7d00-7000-8000-000000000031"

Example = dict[str, Any]

CUSTOMER_CREATE: Final[Example] = {
    "first_name": "سارا",
    "last_name": "نمونه",
    "phones": ["۰۹۹۹ ۰۰۰ ۱۲۳۴"],
    "province": "tehran",
    "birth_date_jalali": "1369-02-22",
    "source": "shop",
    "external_id": "C-1042",
}
CUSTOMER_PATCH: Final[Example] = {
    "city": "ری",
    "accepts_promotional": True,
    "consent_source": "web_form",
    "consent_at": "2026-03-21T06:00:00Z",
}
CUSTOMER: Final[Example] = {
    "id": PERSON_ID,
    "kind": "person",
    "origin": "api",
    "lead_id": None,
    "source": "shop",
    "first_name": "سارا",
    "last_name": "نمونه",
    "phones": ["+989990001234"],
    "shared_phones": [],
    "emails": ["sara@example.com"],
    "locale": "fa",
    "time_zone": "Asia/Tehran",
    "province": "tehran",
    "city": "تهران",
    "birth_date": "1990-05-12",
    "birth_date_jalali": "1369-02-22",
    "birth_calendar": "jalali",
    "gender": "female",
    "accepts_service": True,
    "accepts_promotional": False,
    "consent_source": None,
    "consent_at": None,
    "hand_types": [],
    "types": ["actual", "new"],
    "type_reasons": {"actual": "has_purchased", "new": "one_purchase_within_30_days"},
    "stage": "conversion",
    "stage_reason": "first_purchase",
    "external_ids": [{"source": "shop", "external_id": "C-1042"}],
    "alias_ids": [],
    "version": 1,
    "created_at": "2026-03-21T06:00:00Z",
    "updated_at": "2026-03-21T06:00:00Z",
}
CALLER: Final[Example] = CUSTOMER | {
    "last_purchases": [
        {
            "id": PURCHASE_ID,
            "occurred_at": "2026-03-21T06:00:00Z",
            "amount_minor": 2_500_000,
            "discount_minor": 0,
            "refunded_minor": 0,
            "currency": "IRR",
            "status": "recorded",
            "products": ["saffron-1g"],
        }
    ],
    "open_tickets": [
        {
            "id": TICKET_ID,
            "kind": "complaint",
            "priority": "high",
            "status": "open",
            "subject": "بسته دیر رسید",
            "product": "saffron-1g",
            "for_manager": True,
            "agent_id": AGENT_ID,
            "opened_at": "2026-03-25T06:00:00Z",
        }
    ],
}
CALLERS: Final[Example] = {
    "phone": "+989990001234",
    "items": [CALLER],
    "lead_person_id": None,
}
BULK: Final[Example] = {
    "created": 1,
    "updated": 0,
    "unchanged": 0,
    "errors": 1,
    "results": [
        {"index": 0, "status": "created", "id": PERSON_ID},
        {
            "index": 1,
            "status": "error",
            "errors": [
                {
                    "pointer": "/items/1/phones/0",
                    "code": "not_a_phone",
                    "message": "'12' is not a phone number; 09990001234 or +989990001234 is.",
                }
            ],
        },
    ],
}
PURCHASE_CREATE: Final[Example] = {
    "phone": "۰۹۹۹ ۰۰۰ ۱۲۳۴",
    "lines": [{"product": "saffron-1g", "category": "spices", "quantity": "2", "amount_minor": 2_500_000}],
    "channel": "shop",
}
PURCHASE: Final[Example] = {
    "id": PURCHASE_ID,
    "person_id": PERSON_ID,
    "status": "recorded",
    "source": "shop",
    "external_id": "P-77120",
    "amount_minor": 2_500_000,
    "discount_minor": 0,
    "discount_origin": None,
    "refunded_minor": 500_000,
    "value_minor": 2_000_000,
    "currency": "IRR",
    "lines": [{"product": "saffron-1g", "category": "spices", "quantity": "2", "amount_minor": 2_500_000}],
    "refunds": [
        {
            "id": "0193a1c0-7d00-7000-8000-000000000012",
            "amount_minor": 500_000,
            "occurred_at": "2026-03-22T06:00:00Z",
        }
    ],
    "coupon_id": None,
    "intermediary_id": None,
    "agent_id": None,
    "channel": "shop",
    "occurred_at": "2026-03-21T06:00:00Z",
    "recorded_at": "2026-03-21T06:00:00Z",
    "cancelled_at": None,
}
COUPON: Final[Example] = {
    "id": COUPON_ID,
    "person_id": PERSON_ID,
    "code": "K7QMX3NARW",
    "status": "issued",
    "discount_percent": 10,
    "discount_minor": None,
    "currency": "IRR",
    "reason": "thank_you",
    "request_id": None,
    "issued_at": "2026-03-21T06:00:00Z",
    "valid_until": "2026-04-20T06:00:00Z",
    "redeemed_at": None,
    "purchase_id": None,
}
TICKET_CREATE: Final[Example] = {
    "person_id": PERSON_ID,
    "kind": "complaint",
    "subject": "بسته دیر رسید",
    "text": "سفارش من سه روز دیرتر از موعد رسید.",
    "product": "saffron-1g",
    "channel": "call",
}
TICKET: Final[Example] = TICKET_CREATE | {
    "id": TICKET_ID,
    "priority": "normal",
    "status": "answered",
    "purchase_id": PURCHASE_ID,
    "answer_id": None,
    "for_manager": True,
    "agent_id": AGENT_ID,
    "cause": None,
    "opened_at": "2026-03-25T06:00:00Z",
    "first_answered_at": "2026-03-25T06:20:00Z",
    "resolved_at": None,
    "reopened": 0,
    "answers": [
        {
            "id": "0193a1c0-7d00-7000-8000-000000000022",
            "agent_id": AGENT_ID,
            "text": "بابت دیرکرد پوزش می‌خواهیم؛ هزینهٔ ارسال را برگرداندیم.",
            "answered_at": "2026-03-25T06:20:00Z",
        }
    ],
}


def shown(example: Example) -> Example:
    """Return the schema's part that shows an example."""
    return {"examples": [example]}


def page(example: Example) -> Example:
    """Return the schema's part that shows a page with one row."""
    return {"examples": [{"items": [example], "next_cursor": None}]}
