"""Workers' tests run over both transports, as the machinery's do."""

from tests.shared.outbox.conftest import make_echo

__all__ = ["make_echo"]
