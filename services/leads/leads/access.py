"""Whose leads a token sees: an agent's their own, unless it is scoped wider."""

from __future__ import annotations

from uuid import UUID

from shared.web import Principal


def own_leads_of(principal: Principal) -> UUID | None:
    """Return the agent whose leads alone a principal sees; None for those who see all."""
    return None if principal.may("leads:admin") else principal.agent_id
