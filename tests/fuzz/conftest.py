"""Quiet logs: thousands of requests say nothing that a finding does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()
    logging.getLogger("uvicorn.error").setLevel(logging.NOTSET)
