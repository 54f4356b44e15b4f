"""No server allows later than the bound after a revocation was acknowledged, whatever fails.

One server revokes; another, on the same PostgreSQL, is asked all the time meanwhile, and something
happens to it: its database goes, its notifications, its time, or itself.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import grpc
import pytest
from sqlalchemy import make_url

from authz_service.app import door
from authz_service.cli.demo.throwaway_server import Trial, trial_server
from authz_service.store.database import Database
from authz_service.store.migrate import migrate
from tests.conformance.outages import cut, eventually
from tests.faults.client import DIRECT, Client, reason_of
from tests.faults.own_postgres import OwnPostgres, own_postgres
from tests.faults.proxy import Proxy, proxied
from tests.postgres import create_database
from tests.rpc.harness import serving

POLL = 0.3
BOUND = 1.5
"""Seconds that an answer may be old, of the servers here."""

HOUR = 3_600_000_000

ASKED = ("user:alice", "")


@dataclass
class Answers:
    """What the other server said, each with the instant at which it was asked."""

    allowed: list[float] = field(default_factory=list)
    denied: list[float] = field(default_factory=list)
    refused: list[tuple[float, str]] = field(default_factory=list)

    def ask(self, client: Client, seconds: float) -> None:
        """Ask without a pause for so long."""
        until = time.monotonic() + seconds
        while (at := time.monotonic()) < until:
            try:
                (allowed,) = client.allowed("projects:view", ASKED)
            except grpc.RpcError as error:
                self.refused.append((at, reason_of(error) or error.code().name))
                time.sleep(0.02)
            else:
                (self.allowed if allowed else self.denied).append(at)


@dataclass
class Servers:
    """One that revokes, two that are asked and whose database is behind a proxy. Of these one has
    no bound: what it does shows that there was something to bound.
    """

    revoking: Client
    asked: Client
    unbounded: Client
    process: int
    proxy: Proxy
    postgres: OwnPostgres
    url: str
    key_file: Path

    @property
    def behind(self) -> str:
        """The database as it is seen through the proxy."""
        return _through(self.proxy, self.url)

    def grant(self) -> None:
        """Grant the role again, and return when everybody knows."""
        self.revoking.grant(ASKED[0], "viewer", "", "")
        for client in (self.asked, self.unbounded):
            eventually(partial(may_view, client), "allowed")

    def revoke(self) -> float:
        """Return when the revocation was acknowledged."""
        self.revoking.revoke(ASKED[0], "viewer")
        return time.monotonic()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as stack:
        postgres = stack.enter_context(own_postgres())
        url = create_database(postgres.url)
        database = Database(url)
        migrate(database)
        database.close()
        proxy = stack.enter_context(proxied(make_url(url).port or 0))

        def started(url: str, max_stale: float) -> Trial:
            settings = {
                "AUTHZ_DATABASE_URL": url,
                "AUTHZ_POLL_SECONDS": str(POLL),
                "AUTHZ_MAX_STALE_SECONDS": str(max_stale),
                "AUTHZ_BUSY_SECONDS": "1",
                "AUTHZ_JOBS": "false",
                "AUTHZ_WORKERS": "0",
            }
            folder = tmp_path_factory.mktemp("bound")
            return stack.enter_context(trial_server(folder, settings))

        one = started(url, BOUND)
        another, unbounded = (started(_through(proxy, url), most) for most in (BOUND, 1e9))
        first, second, third = (
            stack.enter_context(_client(trial, one.key)) for trial in (one, another, unbounded)
        )
        first.onboard(ASKED[0])
        key_file = Path(one.environment["AUTHZ_KEY_FILE"])
        process = another.process.pid
        yield Servers(first, second, third, process, proxy, postgres, url, key_file)


def may_view(client: Client) -> bool:
    return client.allowed("projects:view", ASKED) == [True]


@contextmanager
def _client(trial: Trial, key: str) -> Iterator[Client]:
    with (
        grpc.insecure_channel(trial.check_address, DIRECT) as checks,
        grpc.insecure_channel(trial.admin_address, DIRECT) as administration,
    ):
        yield Client(checks, administration, key)


def _through(proxy: Proxy, url: str) -> str:
    return make_url(url).set(port=proxy.port).render_as_string(hide_password=False)


def latest_allowed(answers: Answers, revoked: float) -> float:
    """How many seconds after the revocation the last call was begun that was allowed."""
    return max(answers.allowed, default=revoked) - revoked


def test_revocation_arrives_by_notification(servers: Servers) -> None:
    """On a quiet machine within milliseconds; on a busy one now and then, as `make bench` tells."""
    quickest = BOUND
    for _ in range(5):
        servers.grant()
        answers, revoked = Answers(), servers.revoke()
        answers.ask(servers.asked, 0.4)
        assert not answers.refused
        assert latest_allowed(answers, revoked) <= BOUND
        quickest = min(quickest, latest_allowed(answers, revoked))
    assert quickest < POLL / 2


def test_revocation_arrives_by_polling_where_nobody_listens(servers: Servers) -> None:
    servers.grant()
    assert cut(servers.postgres.url, servers.url, "LISTEN%")
    answers, revoked = Answers(), servers.revoke()
    answers.ask(servers.asked, BOUND)
    assert latest_allowed(answers, revoked) < BOUND
    assert answers.denied


def test_server_that_is_cut_off_allows_no_longer_than_the_bound(servers: Servers) -> None:
    servers.grant()
    servers.proxy.cut()
    answers, revoked = Answers(), servers.revoke()
    answers.ask(servers.asked, BOUND + 1)
    assert latest_allowed(answers, revoked) <= BOUND
    assert {reason for _, reason in answers.refused} == {"REPLICA_STALE"}
    assert not servers.asked.serving("check")

    # Where there is no bound, the same revocation is not heard of.
    without = Answers()
    without.ask(servers.unbounded, 0.1)
    assert latest_allowed(without, revoked) > BOUND

    servers.postgres.stop()
    answers.ask(servers.asked, 0.3)
    assert latest_allowed(answers, revoked) <= BOUND
    servers.postgres.start()
    servers.proxy.mend()
    eventually(lambda: servers.asked.serving("check"), "SERVING")
    assert not may_view(servers.asked)


def test_server_that_was_stopped_allows_nothing_when_it_goes_on(servers: Servers) -> None:
    servers.grant()
    os.kill(servers.process, signal.SIGSTOP)
    revoked, answers = servers.revoke(), Answers()
    servers.proxy.cut()
    time.sleep(BOUND + 0.2)
    os.kill(servers.process, signal.SIGCONT)
    answers.ask(servers.asked, 0.5)
    servers.proxy.mend()
    assert not answers.allowed
    assert answers.refused
    assert latest_allowed(answers, revoked) <= BOUND
    eventually(lambda: servers.asked.serving("check"), "SERVING")


class SetClock:
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.ahead = 0
        self._now = door.now

    def __call__(self) -> int:
        return self._now() + self.ahead


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_clock_that_is_set_changes_no_bound(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    clock = SetClock()
    monkeypatch.setattr(door, "now", clock)
    settings = {
        "database_url": servers.behind,
        "max_stale_seconds": BOUND,
        "poll_seconds": POLL,
        "busy_seconds": 1,
        "key_file": servers.key_file,
    }
    servers.grant()
    with serving(tmp_path, **settings) as server:
        client = Client(server.checks, server.admin, server.operator_key)
        assert may_view(client)
        servers.proxy.cut()
        answers, revoked = Answers(), servers.revoke()
        for clock.ahead in (ahead, 0, ahead):
            answers.ask(client, (BOUND + 0.6) / 3)
        clock.ahead = 0
        servers.proxy.mend()
    assert latest_allowed(answers, revoked) <= BOUND
    assert answers.refused
    assert not answers.denied
