"""A short trial by kill -9: nothing acknowledged is lost, nothing is doubled, and the figures are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import injuries, planted
from tests.faults.keeping import kept
from tests.faults.trial import SETTINGS, Trial
from tests.support.deployments import embedded, free_port

pytestmark = pytest.mark.timeout(240)


async def test_a_killed_process_loses_nothing_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    async with embedded(tmp_path, port=free_port(), run=kept, settings=SETTINGS) as deployment:
        trial = Trial(deployment, seed=1, lives=6)

        findings = await trial.suffer(_kills)

        assert not findings, "\n".join(findings)
        assert trial.processes["peyvand"].killed == 3
        assert trial.done["texts on phones"] > 0
        assert await planted.unseen(trial) == []


async def _kills(trial: Trial) -> None:
    await injuries.kill_sender_after_acceptance(trial, "peyvand")
    await injuries.kill_relay_in_mid_batch(trial, "peyvand", "leads")
    await injuries.kill_consumer_in_mid_batch(trial, "peyvand", "messaging")
