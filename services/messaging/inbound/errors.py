"""What the webhooks refuse."""

from __future__ import annotations

from shared.errors import NotFound


class WebhookNotFound(NotFound):
    """There is no such webhook: the account or its secret is another."""

    code = "webhook_not_found"
    title = "No such webhook"
    title_fa = "چنین نشانی‌ای نیست"

    def __init__(self) -> None:
        super().__init__("There is no such webhook.", fa="چنین نشانی‌ای نیست.")
