"""What is refused about agents."""

from __future__ import annotations

from uuid import UUID

from shared.errors import FieldError, Invalid, NotFound


class AgentNotFound(NotFound):
    code = "agent_not_found"

    def __init__(self, agent_id: UUID) -> None:
        super().__init__(f"There is no agent {agent_id}.", fa=f"کارشناسی با شناسهٔ {agent_id} نیست.")


class UnknownAgent(Invalid):
    """A payload names an agent who does not exist, or is no longer there."""

    code = "unknown_agent"

    def __init__(self, agent_id: UUID, pointer: str) -> None:
        message = f"There is no active agent {agent_id}; GET /v1/agents lists them."
        super().__init__(
            message,
            fa=f"کارشناس فعالی با شناسهٔ {agent_id} نیست؛ فهرست آنان در نشانی /v1/agents است.",
            errors=[FieldError(pointer, self.code, message)],
        )


class NoManager(Invalid):
    """A payload names a manager who is not one."""

    code = "not_a_manager"

    def __init__(self, agent_id: UUID) -> None:
        message = f"Agent {agent_id} is not an active manager; the role of a manager is `manager`."
        super().__init__(
            message,
            fa=f"کارشناس {agent_id} مدیر فعال نیست؛ نقش مدیر باید manager باشد.",
            errors=[FieldError("/manager_id", self.code, message)],
        )
