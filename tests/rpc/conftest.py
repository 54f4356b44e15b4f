"""Servers for the tests of the gRPC edge. One serves many tests: each has a tenant of its own."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from authz_service.app import setup
from authz_service.config import Settings
from tests.postgres import fresh_database
from tests.rpc.account import Account
from tests.rpc.harness import Server, serving
from tests.rpc.trail import broken

_COUNT = itertools.count(1)

VERIFIED_PER_SECOND = 5.0
"""Checks that Casbin decides again, as in production but more of them."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve from SQLite to all tests of a file: what thousands have left would slow each call."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, shadow_per_second=VERIFIED_PER_SECOND) as started:
        yield started
        _assert_whole(started)


@pytest.fixture(scope="module")
def postgres_served(
    tmp_path_factory: pytest.TempPathFactory, postgres_base_url: str
) -> Iterator[Server]:
    """Serve from PostgreSQL to all tests of a file that ask for it."""
    folder: Path = tmp_path_factory.mktemp("postgres-server")
    with fresh_database(postgres_base_url) as url:
        setup.migrate(Settings(database_url=url))
        with serving(folder, database_url=url) as started:
            yield started
            _assert_whole(started)


def _assert_whole(server: Server) -> None:
    """Assert what holds whatever the tests have done: answers agree with Casbin, chains link."""
    assert server.service.explainer.disagreements == 0
    assert broken(server) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def any_server(request: pytest.FixtureRequest) -> Server:
    """Serve from each of the databases in turn."""
    name = "server" if request.param == "sqlite" else "postgres_served"
    found = request.getfixturevalue(name)
    assert isinstance(found, Server)
    return found


@pytest.fixture
def account(server: Server, request: pytest.FixtureRequest) -> Account:
    """Name a tenant that no other test has, and that does not exist yet."""
    return Account(server, fresh_name(request.node.name))


def fresh_name(test: str) -> str:
    """Make a name that is good for a tenant, a role or a tier, and used once."""
    words = re.sub(r"[^a-z0-9]+", "-", test.removeprefix("test_").lower()).strip("-")
    return f"t{next(_COUNT)}-{words[:40].strip('-')}"
