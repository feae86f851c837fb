"""`python -m tests.contracts.snapshot`: write what the contracts are now, to be looked at before it is committed.

A type without samples gets one; a sample that is there stays for ever, as the log holds events like it.
"""

from __future__ import annotations

import json

from tests.contracts.samples import SAMPLES, sample
from tests.contracts.test_contracts import SNAPSHOTS, registry, schema


def write() -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    SAMPLES.mkdir(exist_ok=True)
    for kind, event in registry.items():
        text = json.dumps(schema(event), indent=1, sort_keys=True)
        (SNAPSHOTS / f"{kind}.json").write_text(text + "\n")
        if not (file := SAMPLES / f"{kind}.jsonl").exists():
            file.write_text(json.dumps(sample(event), sort_keys=True) + "\n")


if __name__ == "__main__":
    write()
