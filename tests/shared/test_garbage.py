from __future__ import annotations

import subprocess
import sys

DECODE = """
import gc, sys
import services.metrics.app
from shared.garbage import settle_collector
from tests.benchmarks.events import purchases
from shared.contracts.customers import PurchaseRecorded
from shared.ids import new_id
import msgspec

if sys.argv[1] == "settled":
    settle_collector()
body = msgspec.json.encode(purchases(1, [new_id()])[0])
decode = msgspec.json.Decoder(PurchaseRecorded).decode
before = sum(generation["collections"] for generation in gc.get_stats())
batch = [decode(body) for _ in range(10_000)]
print(sum(generation["collections"] for generation in gc.get_stats()) - before)
"""


def collections_while_decoding(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", DECODE, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_batch_of_events_is_decoded_without_looking_through_everything_for_cycles_time_and_again() -> None:
    assert collections_while_decoding("settled") <= 2
    assert collections_while_decoding("as it comes") > 10
