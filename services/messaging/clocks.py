"""What messaging does when it falls due."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from services.messaging.automations.runs import step_runs
from services.messaging.contacts.marks import forget_marks
from services.messaging.inbound.polling import match_late_cards, poll_inbound, sweep_inbound
from services.messaging.messages.delivery import apply_late_reports, apply_reports, forget_reports, poll_reports
from services.messaging.messages.reconciliation import expire_leases, reconcile
from services.messaging.messages.sending import send_lane
from services.messaging.messages.statuses import LANES, Lane
from services.messaging.providers.credit import read_credit
from shared.service import Clock, Runtime

EVERY_S = {Lane.TRANSACTIONAL: 0.1, Lane.SERVICE: 0.1, Lane.PROMOTIONAL: 0.5}


def _sender(lane: Lane) -> Callable[[Runtime], Awaitable[int]]:
    return partial(send_lane, lane=lane)


clocks = (
    *(Clock(f"send {purpose}", EVERY_S[lane], _sender(lane)) for purpose, lane in LANES.items()),
    Clock("step automations", 0.1, step_runs),
    Clock("expire sending leases", 1.0, expire_leases),
    Clock("reconcile unknown messages", 1.0, reconcile),
    Clock("apply delivery reports", 0.3, apply_reports),
    Clock("apply late delivery reports", 600.0, apply_late_reports),
    Clock("poll delivery reports", 0.5, poll_reports),
    Clock("forget delivery reports", 3_600.0, forget_reports),
    Clock("poll inbound messages", 0.5, poll_inbound),
    Clock("sweep inbound messages", 60.0, sweep_inbound),
    Clock("forget marks of erased numbers", 3_600.0, forget_marks),
    Clock("match inbound messages", 30.0, match_late_cards),
    Clock("read credit", 300.0, read_credit),
)
"""Every lane has a sender of its own: a slow call of a campaign delays no code."""
