"""What falls due in the customers service."""

from __future__ import annotations

from services.customers.classification.marking import mark
from services.customers.classification.usecases import classify_due
from services.customers.customers.merging import merge_leads
from services.customers.people.identity import find_doubles
from shared.clock import utcnow
from shared.db import driver
from shared.service import Clock, Runtime


async def _classify(runtime: Runtime) -> int:
    """Classify whom something happened to, then merge those of them whom a lead turns out to be.

    A card and a purchase with one number, in transactions at the same time, do not see each other; both mark their
    person, and the turn after the later commit sees both. Who was due stays so until they are merged: should that not
    come to pass, the next turn sees both again.
    """
    async with runtime.db.transaction() as tx:
        people = await classify_due(tx, runtime.settings.rules, now=utcnow())
        doubles = await find_doubles(driver(tx), people)
        if doubles:
            await mark(driver(tx), {*doubles, *doubles.values()}.intersection(people))
    if doubles:
        async with runtime.db.transaction() as tx:
            await merge_leads(tx, doubles, at=utcnow())
    return len(people)


clocks = (Clock("classify customers", 0.2, _classify),)
