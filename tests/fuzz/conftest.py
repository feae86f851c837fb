"""Quiet logs: thousands of requests say nothing that a finding does not; and garbage that is not looked for in vain."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.garbage import settle_collector


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()
    logging.getLogger("uvicorn.error").setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def little_garbage() -> Iterator[None]:
    """Keep the collector off what stays: a run keeps each case, and would look through all of them over and over."""
    before = gc.get_threshold()
    settle_collector()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
