"""What every test may ask for."""

import gc
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from authz_service.cli.demo import throwaway_server
from authz_service.store.database import Database
from authz_service.store.migrate import migrate
from tests import compiled, forked, sweeps
from tests.postgres import fresh_database, postgres_server

os.environ["TZ"] = "UTC"  # what people read is in their own time zone
time.tzset()

compiled.share()
vars(throwaway_server)["start"] = forked.start

gc.disable()  # until all is collected: of thousands of tests and modules none goes

# A slow machine is no bug. On CI the examples are the same every time, so that a red run is about
# the change; a developer's runs explore.
_BRIEF = settings(deadline=None, max_examples=30, stateful_step_count=30)
settings.register_profile("explore", _BRIEF)
settings.register_profile("ci", _BRIEF, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=5_000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "explore")
)


_WAITING = ("faults", "docs", "scenarios", "jobs", "fuzz")
"""Folders of tests that wait for processes."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what other shares of the sweeps try, and share out the rest."""
    items[:], others = sweeps.split(items)
    if others:
        config.hook.pytest_deselected(items=others)
    _share_out(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(sweeps.described())


def _share_out(items: list[pytest.Item]) -> None:
    """Let each worker begin with a share of what takes longest, so that none is left with it."""
    here, workers = Path(__file__).parent, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    turns = itertools.cycle(shares)
    quick: list[pytest.Item] = []
    for file, found in itertools.groupby(items, lambda item: item.path):
        folder = file.relative_to(here).parts[0]
        if folder not in _WAITING:
            quick += found
        elif folder == "scenarios":  # the tests of a file share a server
            next(turns).extend(found)
        else:
            for item in found:
                next(turns).append(item)
    left, rest = len(items), iter(quick)
    for number, share in enumerate(shares):  # as pytest-xdist hands them out
        wanted = left // (workers - number)
        share.extend(itertools.islice(rest, max(wanted - len(share), 0)))
        left -= wanted
    items[:] = [*itertools.chain(*shares), *rest]


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)  # a twentieth less time than with the defaults
    gc.enable()


@pytest.fixture(scope="session")
def postgres_base_url(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """Lend the one PostgreSQL server of this test run, started by the first test that asks."""
    base: Path = tmp_path_factory.getbasetemp()
    of_the_run = base if worker_id == "master" else base.parent
    with postgres_server(folder=of_the_run / "postgres") as url:
        yield url


@pytest.fixture
def postgres_url(postgres_base_url: str) -> Iterator[str]:
    """Lend an empty PostgreSQL database that no other test sees."""
    with fresh_database(postgres_base_url) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_base_url: str) -> Iterator[str]:
    """Lend a migrated PostgreSQL database that nobody may connect to: a template."""
    with fresh_database(postgres_base_url) as url:
        _migrated(url)
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lend the file of a migrated SQLite database that nobody may open: a template."""
    file = tmp_path_factory.mktemp("migrated") / "template.db"
    _migrated(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Name the kind of database: each test that asks runs on both."""
    return str(request.param)


@pytest.fixture
def database_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Lend a migrated, otherwise empty database that no other test sees."""
    if dialect == "sqlite":
        template = request.getfixturevalue("migrated_sqlite")
        yield f"sqlite:///{shutil.copy(template, tmp_path / 'authz.db')}"
        return
    base, template = map(request.getfixturevalue, ("postgres_base_url", "migrated_postgres"))
    with fresh_database(base, template) as url:
        yield url


def _migrated(url: str) -> None:
    database = Database(url)
    migrate(database)
    database.close()
