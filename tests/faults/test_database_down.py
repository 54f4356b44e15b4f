"""Without its database a server refuses changes and answers checks, and recovers by itself."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from authz_service.cli.demo.throwaway_server import trial_server
from authz_service.store.database import Database
from authz_service.store.migrate import migrate
from tests.conformance import ledger
from tests.conformance.outages import eventually
from tests.faults.client import Client, client_of, reason_of
from tests.faults.own_postgres import own_postgres
from tests.postgres import create_database

ASKED = (
    ("user:alice", ""),
    ("user:alice", "project:1"),
    ("user:bob", ""),
    ("user:bob", "project:1"),
    ("user:bob", "project:2"),
    ("user:nobody", ""),
)


def answers(client: Client) -> list[list[bool]]:
    permissions = ("projects:view", "projects:create", "sso:configure", "never:heard")
    return [client.allowed(permission, *ASKED) for permission in permissions]


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    return refused.value.code(), reason_of(refused.value)


def test_checks_go_on_and_changes_wait_for_the_database(tmp_path: Path) -> None:
    with own_postgres() as postgres:
        url = create_database(postgres.url)
        database = Database(url)
        migrate(database)
        settings = {
            "AUTHZ_DATABASE_URL": url,
            "AUTHZ_POLL_SECONDS": "0.05",
            "AUTHZ_BUSY_SECONDS": "2",
        }
        with trial_server(tmp_path, settings) as server, client_of(server) as client:
            client.onboard("user:alice", "user:bob")
            client.grant("user:alice", "editor", "", "g1")
            last = client.grant("user:bob", "viewer", "project:1", "g2")
            before = answers(client)
            assert {answer for row in before for answer in row} == {True, False}

            postgres.stop()
            eventually(lambda: not client.serving("admin"), "admin port NOT_SERVING")
            assert client.serving("check")
            down = (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
            assert refusal(lambda: client.grant("user:bob", "admin", "", "g3")) == down
            assert refusal(lambda: client.add_member("user:carol", (), "m1")) == down
            assert refusal(lambda: client.explain("user:bob", "projects:view")) == down
            assert answers(client) == before
            assert client.serving("check")

            postgres.start()
            eventually(lambda: client.serving("admin"), "admin port SERVING")
            assert answers(client) == before
            assert client.grant("user:bob", "admin", "", "g3") == last + 1
            assert client.allowed("projects:create", ("user:bob", "")) == [True]
            assert client.add_member("user:carol", ("viewer",), "m1") == last + 2
            assert client.explain("user:carol", "projects:view")
        ledger.assert_whole(database)
        database.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes as Linux does")
def test_frozen_database_holds_up_no_change_and_no_health_answer(tmp_path: Path) -> None:
    """Its connections stay up, so that nothing but a clock of ours tells."""
    with own_postgres() as postgres:
        url = create_database(postgres.url)
        database = Database(url)
        migrate(database)
        settings = {
            "AUTHZ_DATABASE_URL": url,
            "AUTHZ_POLL_SECONDS": "0.05",
            "AUTHZ_BUSY_SECONDS": "1",
        }
        with trial_server(tmp_path, settings) as server, client_of(server) as client:
            client.onboard("user:alice", "user:bob")
            last = client.grant("user:alice", "editor", "", "g1")
            before = answers(client)

            postgres.freeze()
            down = (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
            assert refusal(lambda: client.grant("user:bob", "viewer", "", "g2")) == down
            eventually(lambda: not client.serving("admin"), "admin port NOT_SERVING")
            assert refusal(lambda: client.explain("user:bob", "projects:view")) == down
            assert client.serving("check")
            assert answers(client) == before

            postgres.thaw()
            eventually(lambda: client.serving("admin"), "admin port SERVING")
            assert client.grant("user:bob", "viewer", "", "g2") == last + 1
            assert client.allowed("projects:view", ("user:bob", "")) == [True]
        ledger.assert_whole(database)
        database.close()
