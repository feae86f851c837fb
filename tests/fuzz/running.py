"""Schemathesis against an app on a real port: what it is told, and what it found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.openapi.checks import EnsureResourceAvailability

from shared.main import Server, uvicorn_config
from shared.web.idempotency import REPLAYED
from tests.support.eventually import eventually

SEED = 20261122
KNOWN_SHARE = 0.7
"""How often an id or a code is one that exists."""

Known = Mapping[str, Sequence[str | int]]
"""Values that exist, by where they go: `path.lead_id`, `query.person_id`, `body.agent_id`."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is tried: examples of an operation, walks from one operation to the next, and seconds in all."""

    examples: int
    walks: int
    within_s: int
    progress: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """An app that answers at `url` as `document` says, with rows that its `known` values name."""

    document: dict[str, Any]
    url: str
    headers: dict[str, str]
    known: Known

    def operations(self) -> set[str]:
        paths: dict[str, dict[str, Any]] = self.document["paths"]
        return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


@dataclass(slots=True)
class Findings:
    """What a run found, the first of each kind and operation, and which operations ever did what they were asked."""

    failures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    tried: int = 0
    succeeded: set[str] = field(default_factory=set)
    stopped: bool = False

    def told(self) -> str:
        """Return all that speaks against the app, or against the run."""
        cut_short = ["The time was up before all was tried."] if self.stopped else []
        return "\n\n".join([*self.failures.values(), *self.errors, *cut_short])


@asynccontextmanager
async def serving(app: object) -> AsyncIterator[str]:
    """Serve `app` on a free port of loopback for the length of the block."""
    server, stop = Server(uvicorn_config(app, host="127.0.0.1", port=0)), asyncio.Event()
    task = asyncio.create_task(server.serve_until(stop))
    await eventually(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        stop.set()
        await task


def fuzz(target: Target, bounds: Bounds) -> Findings:
    """Try every operation; blocks until all is tried, or the time is up."""
    config = schemathesis.Config.from_dict(_config(target, bounds))
    schema = schemathesis.openapi.from_dict(target.document, config=config)
    findings, begun = Findings(), time.monotonic()
    stream = from_schema(schema).execute()
    for event in stream:
        known = len(findings.failures)
        _note(event, findings)
        if bounds.progress:
            _tell(event, findings, known, time.monotonic() - begun)
        if time.monotonic() - begun > bounds.within_s and not findings.stopped:
            findings.stopped = True
            stream.stop()
    return findings


def _config(target: Target, bounds: Bounds) -> dict[str, Any]:
    """Return what the run is told.

    A request that the schema allows may be refused for what no schema says (two fields that do not go together, a
    conflict); a bulk request is taken with a refusal for each item that does not fit. Deletions draw on no answers:
    what they leave to draw from changes with each, so that Hypothesis would give up after a few.
    """
    return {
        "seed": SEED,
        "base-url": target.url,
        "headers": target.headers,
        "workers": 1,
        "request-timeout": 20,
        "max-stream-events": 1,
        "continue-on-failure": True,
        "suppress-health-check": ["all"],
        "generation": {"max-examples": bounds.examples, "deterministic": True, "no-shrink": True},
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 410, 412, 422]},
        },
        "phases": {
            "coverage": {"generate-duplicate-query-parameters": True},
            "stateful": {"generation": {"max-examples": bounds.walks}},
        },
        "operations": [
            {"include-path-regex": "/bulk$", "checks": {"negative_data_rejection": {"enabled": False}}},
            {"include-method": ["DELETE"], "phases": {"fuzzing": {"extra-data-sources": {"responses": False}}}},
        ],
        "dictionaries": {place: {"values": list(values)} for place, values in target.known.items()},
        "parameters": {place: {"dictionary": place, "probability": KNOWN_SHARE} for place in target.known},
    }


def _note(event: events.EngineEvent, findings: Findings) -> None:
    if isinstance(event, events.ScenarioFinished):
        _note_answers(event.recorder, findings)
        _note_failures(event.recorder, findings)
    elif isinstance(event, events.NonFatalError):
        findings.errors.append(f"{event.label}: {event.value!r}")
    elif isinstance(event, events.FatalError):
        findings.errors.append(repr(event.exception))


def _note_answers(recorder: ScenarioRecorder, findings: Findings) -> None:
    for case_id, node in recorder.cases.items():
        findings.tried += 1
        interaction = recorder.interactions.get(case_id)
        answer = interaction.response if interaction is not None else None
        if answer is not None and answer.status_code < 300 and node.value.method == node.value.operation.method.upper():
            findings.succeeded.add(node.value.operation.label)


def _note_failures(recorder: ScenarioRecorder, findings: Findings) -> None:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.status is Status.FAILURE and check.failure_info is not None:
                failure = check.failure_info.failure
                if not _tells_of_before(failure, recorder, case_id):
                    findings.failures.setdefault(_key(failure), _told(failure, check.failure_info.code_sample))


def _tells_of_before(failure: Failure, recorder: ScenarioRecorder, case_id: str) -> bool:
    """Tell whether something is missed that is gone by now: a repeated key has the answer of when it was made."""
    before = recorder.interactions.get(recorder.cases[case_id].parent_id or "")
    answer = before.response if before is not None else None
    return isinstance(failure, EnsureResourceAvailability) and answer is not None and REPLAYED.lower() in answer.headers


def _key(failure: Failure) -> str:
    return f"{failure.operation} {failure.title}"


def _told(failure: Failure, sample: str) -> str:
    return f"{failure.operation}: {failure.title}\n{failure.message}\n{sample}"


def _tell(event: events.EngineEvent, findings: Findings, known: int, passed_s: float) -> None:
    """Print where a long run is, and what it found just now."""
    if isinstance(event, events.ScenarioFinished) and event.label:
        place = f"{event.phase.name.lower()} {event.label}"
        print(f"{passed_s:5.0f} s {findings.tried:7} tried, {len(findings.failures)} found  {place}", flush=True)  # noqa: T201
    for told in list(findings.failures.values())[known:]:
        print(told, flush=True)  # noqa: T201
