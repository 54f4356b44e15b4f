"""What every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import fresh_database, postgres_server

# A slow machine is no bug. On CI the examples are the same every time, so that a red run is about
# the change; a developer's runs explore.
settings.register_profile("explore", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=5_000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "explore")
)


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
