"""One run: how much of it, where its files are, and on what machine."""

import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.bench import databases
from tests.bench.worlds import LARGE, MEDIUM, World

ROOT: Final = Path(__file__).resolve().parents[2]
_PACKAGES: Final = ("grpcio", "protobuf", "SQLAlchemy", "psycopg", "pycasbin")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """`folder` is temporary; `quick` trades precision, and the world L, for time."""

    folder: Path
    quick: bool

    def pick(self, thorough: T, quick: T) -> T:
        return quick if self.quick else thorough

    @property
    def largest(self) -> World:
        return self.pick(LARGE, MEDIUM)

    def packed_database(self) -> str:
        """Give the URL of a SQLite database of the largest world; made once in a run."""
        file = self.folder / "packed.db"
        if not file.exists():
            part = self.folder / "packed.part"
            databases.make(f"sqlite:///{part}", self.largest, packed=True)
            part.rename(file)
        return f"sqlite:///{file}"


def probe(module: str, *arguments: str) -> list[str]:
    """Run a module of this package in a fresh process and return the command."""
    return [sys.executable, "-m", f"tests.bench.{module}", *arguments]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Stay on one core, the first or the last that we have, until the block is left."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(mine)[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def machine() -> dict[str, Any]:
    """Tell on what the figures were measured."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cpu_count": os.cpu_count(),
        "cores_for_us": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "describe", "--always", "--dirty", "--abbrev=12"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip()
