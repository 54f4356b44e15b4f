"""The suite that every database must pass."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.event_world import EventWorld
from tests.conformance.store_world import StoreWorld, opened
from tests.postgres import fresh_database


@pytest.fixture
def store_world(database_url: str) -> Iterator[StoreWorld]:
    """Lend one process's worth of an empty database of each kind."""
    with opened(database_url) as world:
        yield world


@pytest.fixture(scope="module")
def sets_came(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EventWorld]:
    """Lend one store to all examples of a property: each has tenants of its own."""
    file = tmp_path_factory.mktemp("events") / "authz.db"
    shutil.copy(migrated_sqlite, file)
    with opened(f"sqlite:///{file}") as world:
        yield EventWorld(world)


@pytest.fixture
def postgres_world(postgres_base_url: str, migrated_postgres: str) -> Iterator[StoreWorld]:
    """Lend one process's worth of an empty PostgreSQL database, for what SQLite does not have."""
    with (
        fresh_database(postgres_base_url, migrated_postgres) as url,
        opened(url, busy_seconds=1.0) as world,
    ):
        yield world
