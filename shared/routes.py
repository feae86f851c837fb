"""Which service answers which path: the one table that the embedded dispatcher, nginx and the ingress are driven by."""

from __future__ import annotations

PREFIXES: dict[str, tuple[str, ...]] = {
    "leads": (
        "/v1/leads",
        "/v1/tasks",
        "/v1/agents",
        "/v1/cadences",
        "/v1/scoring-rules",
        "/v1/assignment-rules",
    ),
    "customers": (
        "/v1/customers",
        "/v1/purchases",
        "/v1/subscriptions",
        "/v1/activities",
        "/v1/interactions",
        "/v1/tickets",
        "/v1/promises",
        "/v1/onboardings",
        "/v1/segments",
        "/v1/coupons",
        "/v1/referrals",
    ),
    "surveys": ("/v1/surveys", "/v1/invitations", "/v1/answers", "/s"),
    "messaging": (
        "/v1/messages",
        "/v1/templates",
        "/v1/automations",
        "/v1/campaigns",
        "/v1/providers",
        "/v1/suppressions",
        "/v1/inbound",
        "/v1/draws",
        "/v1/webhook-endpoints",
        "/webhooks",
        "/u",
        "/r",
    ),
    "metrics": ("/v1/metrics", "/v1/alerts", "/dashboard"),
    "sandbox": ("/sandbox",),
}

SERVICE_NAMES = tuple(name for name in PREFIXES if name != "sandbox")

OPERATIONAL = ("/docs", "/healthz", "/readyz", "/metrics", "/openapi")
"""Paths that every service has by itself; embedded they are followed by its name: `/docs/leads`."""

_BY_PREFIX = {prefix: service for service, prefixes in PREFIXES.items() for prefix in prefixes}


def service_for(path: str) -> str | None:
    """Return the service that answers `path`, by its first segment, or by its first two under `/v1`."""
    parts = path.split("/", 3)
    prefix = "/".join(parts[:3]) if parts[1:2] == ["v1"] else "/".join(parts[:2])
    return _BY_PREFIX.get(prefix)
