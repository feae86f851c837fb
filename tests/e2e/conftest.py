"""A deployment in one process, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.deployments import Deployment, embedded


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    """Lend everything in one process, on fresh data."""
    async with embedded(tmp_path) as running:
        yield running
