"""Whole answers, as the API's description shows them."""

from __future__ import annotations

from typing import Any

FIGURE: dict[str, Any] = {
    "figure": "retention",
    "unit": "percent",
    "from": "1405-02-01",
    "to": "1405-03-01",
    "calendar": "jalali",
    "interval": "month",
    "by": None,
    "currency": None,
    "computed": "kept",
    "points": [
        {
            "from": "1405-02-01",
            "to": "1405-03-01",
            "starts_at": "2026-04-20T20:30:00Z",
            "ends_at": "2026-05-21T20:30:00Z",
            "by": None,
            "value": 75.0,
            "count": 4,
            "complete": True,
            "parts": {"active_at_start": 4, "active_at_end": 5, "new": 1, "won_back": 1},
            "confidence_interval": None,
        }
    ],
}

DEFINITIONS: dict[str, Any] = {
    "figures": [
        {
            "figure": "leads_captured",
            "title": "Leads captured",
            "title_fa": "سرنخ‌های ثبت‌شده",
            "unit": "count",
            "definition": "Leads captured in the period.",
            "dimensions": ["source", "campaign", "product", "awareness", "agent"],
            "intervals": ["day", "week", "month", "quarter", "year"],
        }
    ],
    "time_zone": "Asia/Tehran",
    "activity_days": 90,
    "margin": 1.0,
}

COHORTS: dict[str, Any] = {
    "from": "1405-01-01",
    "to": "1405-03-01",
    "calendar": "jalali",
    "computed": "kept",
    "cohorts": [
        {
            "cohort": "1405-01",
            "size": 8,
            "months": [
                {"month": 0, "bought": 8, "bought_share": 100.0, "active": 8, "active_share": 100.0, "complete": True},
                {"month": 1, "bought": 3, "bought_share": 37.5, "active": 8, "active_share": 100.0, "complete": True},
            ],
        }
    ],
}

AUDIT: dict[str, Any] = {"equal": True, "compared": 110958, "differing": 0, "examples": []}
