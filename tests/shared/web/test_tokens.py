"""`peyvand token`, as an operator types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from typer.testing import CliRunner, Result

from services.cli import app
from shared.web.tokens import generate_keys


@pytest.fixture
def key(tmp_path: Path) -> Path:
    generate_keys(tmp_path)
    return tmp_path / "private.pem"


def signed(key: Path, *scopes: str, **environment: str) -> Result:
    words = [word for scope in scopes for word in ("--scope", scope)]
    return CliRunner().invoke(app, ["token", "--private-key", str(key), "--subject", "me", *words], env=environment)


def test_a_token_carries_what_the_services_of_the_environment_want(key: Path) -> None:
    token = signed(key, "leads:read", "pii:read", PEYVAND_JWT_ISSUER="peyvand", PEYVAND_JWT_AUDIENCE="apis").output
    public = ECKey.import_key((key.parent / "public.pem").read_text())
    claims = jwt.decode(token.strip(), public, algorithms=["ES256"]).claims

    assert {name: claims[name] for name in ("sub", "scope", "iss", "aud")} == {
        "sub": "me", "scope": "leads:read pii:read", "iss": "peyvand", "aud": "apis"
    }  # fmt: skip


def test_a_scope_that_opens_nothing_is_refused_with_those_that_there_are(key: Path) -> None:
    refused = signed(key, "lead:read", "leads:read")

    assert refused.exit_code == 1
    assert "There is no scope lead:read; one of customers:admin, " in refused.output


def test_a_file_that_is_no_key_is_named(key: Path) -> None:
    refused = signed(key.parent / "public.pem", "leads:read")

    assert refused.exit_code == 1
    assert refused.output.endswith("public.pem: this is no private key of the curve P-256 in PEM.\n")
    assert signed(key.parent / "nowhere.pem", "leads:read").exit_code == 2
