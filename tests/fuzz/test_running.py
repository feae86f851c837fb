"""What a long run reports: what it found, and not what a repeated key has told of before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from schemathesis.engine import Status
from schemathesis.openapi.checks import EnsureResourceAvailability

from tests.fuzz.running import Findings, _note_failures

MISSED = EnsureResourceAvailability(
    operation="POST /v1/things",
    message="It is not there.",
    created_with="POST /v1/things",
    not_available_with="DELETE /v1/things/{id}",
)


@pytest.mark.parametrize(("headers", "found"), [({"idempotent-replayed": ["true"]}, 0), ({"location": ["/"]}, 1)])
def test_what_is_gone_is_missed_only_where_it_was_made_just_now(headers: dict[str, list[str]], found: int) -> None:
    missing = SimpleNamespace(status=Status.FAILURE, failure_info=SimpleNamespace(failure=MISSED, code_sample="curl"))
    recorder: Any = SimpleNamespace(
        checks={"delete": [missing]},
        cases={"delete": SimpleNamespace(parent_id="post")},
        interactions={"post": SimpleNamespace(response=SimpleNamespace(headers=headers))},
    )
    findings = Findings()
    _note_failures(recorder, findings)

    assert len(findings.failures) == found
