"""The garbage collector, told what kind of process this is."""

from __future__ import annotations

import gc

NEW_OBJECTS = 20_000
"""How many containers are made before the collector looks for cycles among them; Python's own 700 is a few events."""


def settle_collector() -> None:
    """Spare what lives as long as the process, and look for cycles seldom; called once all is loaded.

    A batch of thousands of events or items is made of objects that live until it is done and hold no cycles. Python's
    settings look through them, and through every module again and again, for longer than it takes to decode them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 10, 10)
