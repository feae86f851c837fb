"""What a ticket is refused for."""

from __future__ import annotations

from uuid import UUID

from shared.errors import Conflict, FieldError, Invalid, NotFound


class TicketNotFound(NotFound):
    code = "ticket_not_found"
    title = "No such ticket"
    title_fa = "چنین درخواستی نیست"

    def __init__(self, ticket_id: UUID) -> None:
        super().__init__(f"There is no ticket {ticket_id}.", fa=f"تیکتی با شناسهٔ {ticket_id} نیست.")


class TicketIsResolved(Conflict):
    code = "ticket_resolved"
    title = "The ticket is resolved"
    title_fa = "تیکت بسته شده است"

    def __init__(self, ticket_id: UUID) -> None:
        super().__init__(
            f"Ticket {ticket_id} is resolved; reopen it first.",
            fa="این تیکت بسته شده است؛ نخست آن را دوباره باز کنید.",
        )


class TicketIsNotResolved(Conflict):
    code = "ticket_not_resolved"
    title = "The ticket is open"
    title_fa = "تیکت باز است"

    def __init__(self, ticket_id: UUID) -> None:
        super().__init__(
            f"Ticket {ticket_id} is open; only a resolved one is reopened.",
            fa="این تیکت باز است؛ تنها تیکت بسته‌شده دوباره باز می‌شود.",
        )


class UnknownPurchase(Invalid):
    code = "unknown_purchase"
    title = "No such purchase"
    title_fa = "چنین خریدی نیست"

    def __init__(self, purchase_id: UUID) -> None:
        super().__init__(
            f"There is no purchase {purchase_id}; name the one that the ticket is about, or leave purchase_id out.",
            fa=f"خریدی با شناسهٔ {purchase_id} نیست؛ خرید درست را بنویسید یا purchase_id را نفرستید.",
            errors=[FieldError("/purchase_id", self.code, "is no purchase that was recorded; leave it out")],
        )


class UnknownAgent(Invalid):
    code = "unknown_agent"
    title = "No such agent"
    title_fa = "چنین کارشناسی نیست"

    def __init__(self, agent_id: UUID) -> None:
        super().__init__(
            f"Agent {agent_id} is not known here; POST /v1/agents of the leads service adds one.",
            fa="این کارشناس شناخته نیست.",
            errors=[FieldError("/agent_id", self.code, "is no agent who is known here")],
        )
