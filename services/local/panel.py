"""Making the sandbox the deployment's SMS panel and mail server, through the public API."""

from __future__ import annotations

from typing import Any

from services.demo.client import Api
from services.demo.preparing import SANDBOX_KEY, SANDBOX_LINE

PURPOSES = ["transactional", "service", "promotional"]
SENDER = "peyvand@sandbox.invalid"


def ensure_sandbox(url: str, mail_host: str, mail_port: int, token: str) -> None:
    """Make the accounts, or point those of an earlier start to where the sandbox answers now."""
    panel = {"name": "sandbox", "kind": "smsir", "base_url": f"{url}/sandbox/smsir/v1", "secret": SANDBOX_KEY}
    mail = {"name": "sandbox-mail", "kind": "smtp", "base_url": f"{mail_host}:{mail_port}", "secret": ""}
    with Api(url, token, url) as api:
        paths = _ensure(api, panel, SANDBOX_LINE)
        if paths is not None:
            api.hook_line(SANDBOX_LINE, {kind: f"{url}{path}" for kind, path in paths.items()})
        _ensure(api, mail | {"security": "none"}, SENDER)


def _ensure(api: Api, wanted: dict[str, Any], line: str) -> dict[str, str] | None:
    """Return the paths of an account's webhooks where it is new or has moved; None where all is as it was."""
    account = next((each for each in api.get("/v1/providers")["items"] if each["name"] == wanted["name"]), None)
    if account is None:
        answer = api.post("/v1/providers", {**wanted, "lines": [{"number": line, "purposes": PURPOSES}]})
        return dict(answer["webhook_paths"])
    if account["base_url"] == wanted["base_url"]:
        return None
    api.change(f"/v1/providers/{account['id']}", lambda _: {key: wanted[key] for key in ("base_url", "secret")})
    return dict(api.post(f"/v1/providers/{account['id']}/webhook-secret")["webhook_paths"])
