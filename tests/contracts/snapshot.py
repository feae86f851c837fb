"""`python -m tests.contracts.snapshot`: write what the contracts are now, to be looked at before it is committed."""

from __future__ import annotations

import json

from tests.contracts.test_contracts import SNAPSHOTS, registry, schema


def write() -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    for kind, event in registry.items():
        text = json.dumps(schema(event), indent=1, sort_keys=True)
        (SNAPSHOTS / f"{kind}.json").write_text(text + "\n")


if __name__ == "__main__":
    write()
