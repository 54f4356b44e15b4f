"""The suite that every database must pass."""

from collections.abc import Iterator

import pytest

from tests.conformance.store_world import StoreWorld, opened
from tests.postgres import fresh_database


@pytest.fixture
def store_world(database_url: str) -> Iterator[StoreWorld]:
    """Lend one process's worth of an empty database of each kind."""
    with opened(database_url) as world:
        yield world


@pytest.fixture
def postgres_world(postgres_base_url: str, migrated_postgres: str) -> Iterator[StoreWorld]:
    """Lend one process's worth of an empty PostgreSQL database, for what SQLite does not have."""
    with (
        fresh_database(postgres_base_url, migrated_postgres) as url,
        opened(url, busy_seconds=1.0) as world,
    ):
        yield world
