"""The yardstick of requests: bare FastAPI and asyncpg that insert the row of a lead, and list fifty.

`python -m tests.benchmarks.bare <database> <port>`; the table `bare_leads` is made by the benchmark.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

PERSONAL = ("first_name", "last_name", "phone", "phone_typed", "email", "province", "city")
TABLE = f"""
CREATE TABLE bare_leads (LIKE leads INCLUDING ALL, {", ".join(f"{column} text" for column in PERSONAL)})
"""
"""The table of leads with its indexes, and what is kept of the person beside it."""


class BareLead(BaseModel):
    """What is taken, with no rules but its types."""

    first_name: str | None = None
    last_name: str | None = None
    phone: str
    source: str
    campaign: str | None = None
    product: str | None = None
    awareness: str | None = None
    expected_amount_minor: int | None = None
    note: str | None = None


COLUMNS = (
    "id", "person_id", "kind", "direction", "captured_at", "question_asked_at", "response_due_at", "updated_at",
    *BareLead.model_fields,
)  # fmt: skip
INSERT = f"""
INSERT INTO bare_leads ({", ".join(COLUMNS)}) VALUES ({", ".join(f"${n}" for n in range(1, len(COLUMNS) + 1))})
RETURNING *
"""
LIST = """
SELECT leads.*, first_name, last_name, phone, phone_typed, email, province, city
FROM leads JOIN persons ON persons.id = leads.person_id
ORDER BY leads.captured_at DESC, leads.id DESC LIMIT $1
"""


class BareLeadOut(BareLead):
    """What is given."""

    id: UUID
    person_id: UUID
    slot: str
    status: str
    funnel_stage: str
    kind: str
    direction: str
    cost_minor: int | None
    currency: str
    phone_typed: str | None
    email: str | None
    province: str | None
    city: str | None
    agent_id: UUID | None
    captured_at: datetime
    recaptures: int
    question_asked_at: datetime | None
    response_due_at: datetime | None
    overdue_at: datetime | None
    answered_at: datetime | None
    response_s: int | None
    answered_in_time: bool | None
    qualified_at: datetime | None
    converted_at: datetime | None
    converted_by: str | None
    disqualified_at: datetime | None
    disqualified_for: str | None
    competitor: str | None
    referrer_person_id: UUID | None
    possible_duplicate_of: UUID | None
    version: int
    updated_at: datetime


def app_on(database: str) -> FastAPI:
    """Return the app as FastAPI's and asyncpg's own documentation would write it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database, min_size=10, max_size=10) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/leads", status_code=201)
    async def capture(new: BareLead) -> BareLeadOut:
        """Insert what is given as it is."""
        at = datetime.now(UTC)
        row = await app.state.pool.fetchrow(
            INSERT, uuid4(), uuid4(), "new", "inbound", at, at, at, at, *new.model_dump().values()
        )
        return BareLeadOut(**row)

    @app.get("/leads")
    async def leads(limit: int = 50) -> list[BareLeadOut]:
        """List the newest leads."""
        return [BareLeadOut(**row) for row in await app.state.pool.fetch(LIST, limit)]

    return app


if __name__ == "__main__":
    uvicorn.run(app_on(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
