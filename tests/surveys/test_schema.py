from __future__ import annotations

from shared.migrate import check
from shared.service import Runtime


async def test_the_migrations_make_the_tables_that_the_models_say(runtime: Runtime) -> None:
    await check(runtime.service, runtime.settings.database_url)
