"""What a deployment needs before the story can be played: a panel that is the sandbox, and somebody to answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.demo.client import Api, DemoFailed, Json

AUTOMATION = "csat_after_purchase"
SANDBOX_KEY, SANDBOX_LINE = "peyvand-sandbox", "30007732000000"
SURVEY_AFTER_S = 2


def ensure_sandbox_panel(api: Api) -> str:
    """Return the line that SMS leave by; raises `DemoFailed` where a real panel would get them.

    A deployment without any panel is given the sandbox as one.
    """
    panels = [each for each in api.get("/v1/providers")["items"] if each["kind"] == "smsir" and each["active"]]
    real = [each["name"] for each in panels if "/sandbox/" not in each["base_url"]]
    if real:
        raise DemoFailed(f"SMS of this deployment go to {', '.join(real)}, not to the sandbox: nothing is sent there.")
    panel = panels[0] if panels else _add_panel(api)
    line: str = panel["lines"][0]["number"]
    return line


def ensure_staff(api: Api) -> Json:
    """Return an agent on duty; a deployment without one gets a made-up agent and their manager."""
    on_duty = api.get("/v1/agents", role="agent", active=True, on_duty=True, limit=1)["items"]
    if on_duty:
        agent: Json = on_duty[0]
        return agent
    managers = api.get("/v1/agents", role="manager", active=True, limit=1)["items"]
    manager = managers[0] if managers else _add_agent(api, "مهرداد", "۰۹۹۹ ۰۰۰ ۰۰ ۰۱", role="manager")
    return _add_agent(api, "نازنین", "۰۹۹۹ ۰۰۰ ۰۰ ۰۲", role="agent", manager_id=manager["id"])


@contextmanager
def survey_soon_after(api: Api, product: str) -> Iterator[None]:
    """Have the survey follow a purchase of `product` at once for the length of the block; other products wait as ever.

    It is put back also where the block fails or is interrupted; what went wrong first is what is told first.
    """
    try:
        _set_delay(api, product, SURVEY_AFTER_S)
        yield
    except BaseException as failure:
        try:
            _set_delay(api, product, None)
        except DemoFailed as another:
            first = str(failure) or type(failure).__name__
            raise DemoFailed(f"{first} The survey's delay for {product} could not be put back: {another}") from failure
        raise
    _set_delay(api, product, None)


def _set_delay(api: Api, product: str, seconds: int | None) -> None:
    api.change(f"/v1/automations/{AUTOMATION}", lambda automation: _with_delay(automation, product, seconds))


def _with_delay(automation: Json, product: str, seconds: int | None) -> Json:
    steps: list[Json] = [dict(step) for step in automation["steps"]]
    wait = next((step for step in steps if step["type"] == "wait"), None)
    if wait is None:
        raise DemoFailed(f"The automation {AUTOMATION} has no wait step whose delay could be shortened.")
    others = {name: delay for name, delay in wait.get("by_product", {}).items() if name != product}
    wait["by_product"] = others if seconds is None else {**others, product: seconds}
    return {"steps": steps}


def _add_panel(api: Api) -> Json:
    """Make the sandbox the deployment's panel, and have its line tell of deliveries and replies."""
    lines = [{"number": SANDBOX_LINE, "purposes": ["transactional", "service", "promotional"]}]
    url = f"{api.sandbox_url}/sandbox/smsir/v1"
    panel = api.post(
        "/v1/providers",
        {"name": "sandbox", "kind": "smsir", "base_url": url, "secret": SANDBOX_KEY, "lines": lines},
    )
    api.hook_line(SANDBOX_LINE, {kind: f"{api.url}{path}" for kind, path in panel["webhook_paths"].items()})
    return panel


def _add_agent(api: Api, first_name: str, phone: str, **more: str) -> Json:
    return api.post("/v1/agents", {"first_name": first_name, "last_name": "آزمایشی", "phone": phone, **more})
