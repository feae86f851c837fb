"""The event machinery: outbox, relay, inbox and dead letters. EVENTS.md's rules are kept here.

Use cases write `outbox.add(tx, event)`; consumers are declared with `shared.outbox.consumer.Consumer`.
"""

from shared.outbox.writing import (
    COLUMNS,
    INSERT,
    Cause,
    add,
    add_card,
    card_row,
    caused_by,
    flush,
    inserting,
    row,
    write,
    written,
)

__all__ = [
    "COLUMNS",
    "INSERT",
    "Cause",
    "add",
    "add_card",
    "card_row",
    "caused_by",
    "flush",
    "inserting",
    "row",
    "write",
    "written",
]
