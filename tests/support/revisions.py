"""Migrations as a rolling deployment meets them: what each says, and the code that runs while it is applied."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, event

from shared.migrate import MACHINERY, migrate
from shared.service import Service
from tests.support.processes import ROOT


@dataclass(frozen=True, slots=True)
class Revision:
    """A migration: its id, its file, and whether it is the first of its branch."""

    id: str
    file: Path
    first: bool


def revisions(service: Service) -> list[Revision]:
    """Return a service's migrations and the machinery's, in the order in which they are applied."""
    versions = [MACHINERY / "versions", service.migrations / "versions"]
    scripts = ScriptDirectory(str(MACHINERY), version_locations=[str(folder) for folder in versions])
    walked = [Revision(each.revision, Path(each.path), each.down_revision is None) for each in scripts.walk_revisions()]
    return walked[::-1]


async def statements(service: Service, url: str) -> dict[str, list[str]]:
    """Migrate an empty database, and return what each migration has it execute."""
    said: dict[str, list[str]] = {}
    for revision in revisions(service):
        with _listening() as heard:
            await migrate(service, url, revision.id)
        plain = (" ".join(re.sub(r"--.*", "", each).split()) for each in heard)
        said[revision.id] = [each for each in plain if "alembic_version" not in each and "pg_" not in each.lower()]
    return said


@contextmanager
def _listening() -> Iterator[list[str]]:
    heard: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        heard.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


REFUSED = {
    r"\bDROP (TABLE|COLUMN|SCHEMA|VIEW|TYPE|FUNCTION)\b": "takes away what the code before still uses",
    r"\bRENAME\b": "takes away a name that the code before still uses",
    r"\bALTER COLUMN \S+ (SET DATA )?TYPE\b": "rewrites the table while nobody can use it",
    r"\bSET NOT NULL\b": "refuses what the code before writes",
    r"\bADD (?!CONSTRAINT)(?![^,]*\bDEFAULT\b)[^,]*\bNOT NULL\b": "refuses what the code before writes",
    r"\bADD CONSTRAINT \S+ (UNIQUE|PRIMARY|EXCLUDE)\b": "refuses what the code before writes",
    r"\bADD CONSTRAINT (?!.*\bNOT VALID\b)\S+ (CHECK|FOREIGN)\b": "reads the whole table while nobody can write it",
    r"\bCREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": "keeps writers out while it is made",
    r"^(LOCK|TRUNCATE)\b": "keeps everybody out",
}


def faults(said: list[str]) -> list[str]:
    """Return why statements cannot be executed under the code before; those on tables of their own migration can."""
    made = {name for each in said for name in re.findall(r"CREATE TABLE (\S+)", each)}
    return [
        f"{reason}: {each}"
        for each in said
        for pattern, reason in REFUSED.items()
        if re.search(pattern, each, re.IGNORECASE) and not _is_about(each, made)
    ]


def _is_about(statement: str, tables: set[str]) -> bool:
    about = re.search(r"(?:ALTER TABLE|INDEX .*? ON) (\S+)", statement)
    return about is not None and about[1] in tables


def code_before(revision: Revision, service: Service, folder: Path) -> bool:
    """Write the code that ran before a migration came into a folder; say whether its history is here.

    A migration that is not committed yet comes after the last commit. A commit whose migrations do not hang together,
    or whose code does not even import, never ran anywhere, so the one before it is taken.
    """
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(revision.file))
    commits = _git("rev-list", "--max-count=20", f"{added}^" if added else "HEAD").split()
    for commit in commits:
        archive = folder / "code.tar"
        _git("archive", "--output", str(archive), commit, "services", "shared")
        subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
        if _hang_together(folder, service) and _imports(folder, service):
            return True
        shutil.rmtree(folder / "services")
        shutil.rmtree(folder / "shared")
    return False


def _hang_together(code: Path, service: Service) -> bool:
    folders = [code / "shared/migrations/versions", code / f"services/{service.name}/migrations/versions"]
    scripts = ScriptDirectory(str(MACHINERY), version_locations=[str(folder) for folder in folders])
    try:
        return len(scripts.get_heads()) == len(folders)
    except (KeyError, CommandError, UserWarning):  # the suite takes warnings for errors
        return False


def _imports(code: Path, service: Service) -> bool:
    command = [sys.executable, "-c", f"import shared.main, services.{service.name}.app"]
    return subprocess.run(command, cwd=code, capture_output=True, check=False).returncode == 0


def _git(*arguments: str) -> str:
    """Return what git says, or nothing where there is no history."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
