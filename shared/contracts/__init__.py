"""The events that services speak by, a module a producer.

An event is a frozen struct with a dotted `type`, the `topic` it travels on and the `key` that orders it. Facts carry
ids, codes and numbers, never names, numbers to call, addresses or free text: personal data travels as contact
cards on the compacted topics alone. Changes to a type only add fields with defaults; a breaking change is a new type.
"""

from shared.contracts.envelope import Event, Money, Received, Withdrawal, registry

__all__ = ["Event", "Money", "Received", "Withdrawal", "registry"]
