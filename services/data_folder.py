"""The folder that a deployment on this machine keeps: its lock, its keys, its secret, and a token for its owner."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from shared.routes import SERVICE_NAMES
from shared.web.tokens import KeyPair, generate_keys, sign_token

SCOPES = (*(f"{name}:admin" for name in SERVICE_NAMES), "pii:read")
TOKEN_LIFETIME = timedelta(days=365)


class CannotStart(Exception):
    """Something outside stands in the way; the message is one plain sentence."""


@contextmanager
def hold_folder(data: Path) -> Iterator[None]:
    """Hold the folder for this process alone; raises `CannotStart` where another one holds it, or it cannot be used."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("w")
    except OSError as error:
        raise CannotStart(f"The data folder {data} cannot be used: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"Peyvand already runs on the data in {data}; stop it, or name another folder.") from None
        yield


def keys_in(data: Path) -> KeyPair:
    """Return the pair of keys that tokens are signed with; it is made at the first start."""
    folder = data / "keys"
    with contextlib.suppress(FileExistsError):
        generate_keys(folder)
    return KeyPair((folder / "private.pem").read_text(), (folder / "public.pem").read_text())


def secret_in(data: Path, name: str = "secret") -> str:
    """Return a secret of that name; it is made when first asked for."""
    file = data / name
    if not file.exists():
        write_private(file, secrets.token_urlsafe(48))
    return file.read_text()


def write_token(data: Path) -> Path:
    """Write a token with every scope, for the one who runs this."""
    file = data / "token"
    token = sign_token(keys_in(data).private_pem, subject="developer", scopes=SCOPES, lifetime=TOKEN_LIFETIME)
    write_private(file, token)
    return file


def write_private(file: Path, text: str) -> None:
    """Write what only its owner may read."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
