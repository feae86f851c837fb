"""An agent: a member of staff, what they can take, and how much they have."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from services.leads.tables import Base
from shared.contracts.leads import AgentAdded, AgentUpdated

Role = Literal["agent", "manager"]
Instant = DateTime(timezone=True)


class Agent(Base):
    """A member of staff. `open_leads` is kept with every change of a lead; only `assignment` writes it."""

    __tablename__ = "agents"
    __table_args__ = (
        CheckConstraint("role IN ('agent', 'manager')", name="role"),
        CheckConstraint("capacity > 0", name="capacity"),
        CheckConstraint("open_leads >= 0", name="open_leads"),
        Index("ix_agents_created_at", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    first_name: Mapped[str | None] = mapped_column(Text)
    last_name: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    role: Mapped[Role] = mapped_column(Text, server_default="agent")
    team: Mapped[str | None] = mapped_column(Text)
    manager_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("agents.id"))
    capacity: Mapped[int] = mapped_column(server_default=text("50"))
    on_duty: Mapped[bool] = mapped_column(server_default=text("true"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    open_leads: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    last_assigned_at: Mapped[datetime | None] = mapped_column(Instant)
    version: Mapped[int] = mapped_column(server_default=text("1"), default=1)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    def added(self) -> AgentAdded:
        """Say that this agent joined."""
        return AgentAdded(
            agent_id=self.id,
            occurred_at=self.created_at,
            role=self.role,
            team=self.team,
            manager_id=self.manager_id,
            on_duty=self.on_duty,
        )

    def updated(self) -> AgentUpdated:
        """Say what this agent is now."""
        return AgentUpdated(
            agent_id=self.id,
            occurred_at=self.updated_at,
            role=self.role,
            team=self.team,
            manager_id=self.manager_id,
            on_duty=self.on_duty,
            active=self.active,
        )
