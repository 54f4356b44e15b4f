"""`kill -9` amid a stream of changes loses nothing that was acknowledged and leaves no half."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import grpc
from sqlalchemy import select

from authz_service.cli.demo.throwaway_server import trial_server
from authz_service.store import schema
from authz_service.store.database import Database
from tests.conformance import ledger
from tests.conformance.outages import eventually
from tests.faults.client import TENANT, Client, client_of

KILLS, THREADS = 3, 4
WORKER = "user:worker"
PERMISSION = "projects:view"
"""Held by viewers, on the scope where they are viewers."""


@dataclass
class Stream:
    """Changes numbered from 0: even ones grant a role, odd ones add a member with two roles."""

    acknowledged: dict[int, int] = field(default_factory=dict)
    """The revision of each change that the server said was made."""
    in_doubt: list[int] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    def run(self, client: Client, ending: threading.Event) -> None:
        """Make one change after the other, until a call fails."""
        while not ending.is_set():
            number = next(self._numbers)
            try:
                self.make(client, number)
            except grpc.RpcError:
                self.in_doubt.append(number)
                return

    def make(self, client: Client, number: int) -> None:
        """Make a change, or ask again for one that may have been made."""
        if number % 2:
            roles = ("viewer", "editor")
            revision = client.add_member(subject(number), roles, request_id(number))
        else:
            revision = client.grant(WORKER, "viewer", scope(number), request_id(number))
        self.acknowledged[number] = revision


def subject(number: int) -> str:
    return f"user:member-{number}" if number % 2 else WORKER


def scope(number: int) -> str:
    return "" if number % 2 else f"project:{number}"


def request_id(number: int) -> str:
    return f"change-{number}"


def killed_amid(stream: Stream, folder: Path, url: str, more: int) -> None:
    """Serve, finish what the last kill left in doubt, and kill after so many more changes."""
    with (
        trial_server(folder, {"AUTHZ_DATABASE_URL": url}) as server,
        client_of(server) as client,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        if not stream.acknowledged:
            client.onboard(WORKER)
        go_on(stream, client)
        enough = len(stream.acknowledged) + more
        ending = threading.Event()
        for _ in range(THREADS):
            pool.submit(stream.run, client, ending)
        try:
            eventually(lambda: len(stream.acknowledged) >= enough, "enough changes")
        finally:
            server.process.kill()
            server.process.wait()
            ending.set()


def go_on(stream: Stream, client: Client) -> None:
    """Find all that was acknowledged, then ask again for all that is in doubt."""
    asked = [(subject(number), scope(number)) for number in stream.acknowledged]
    if asked:
        assert client.allowed(PERMISSION, *asked) == [True] * len(asked)
    while stream.in_doubt:
        stream.make(client, stream.in_doubt.pop())


def assert_each_made_once(stream: Stream, database: Database) -> None:
    """Assert that rows, audit and answers hold each change once, at the revision it was told."""
    numbers = range(len(stream.acknowledged))
    assert sorted(stream.acknowledged) == list(numbers)
    told = {number: stream.acknowledged[number] for number in numbers}
    assert answers(database) == {request_id(number): told[number] for number in numbers}
    grants = {(subject(n), scope(n)): (2 if n % 2 else 1, told[n]) for n in numbers}
    assert grant_rows(database) == grants
    members = {subject(n): told[n] for n in numbers if n % 2}
    assert member_rows(database) == members
    entries = ledger.chains(database)[TENANT]
    audited = Counter((e.action, e.document["targets"][0], e.revision) for e in entries)
    for number in numbers:
        granted = audited["role.granted", subject(number), told[number]]
        added = audited["member.added", subject(number), told[number]]
        assert (granted, added) == ((2, 1) if number % 2 else (1, 0))


def answers(database: Database) -> dict[str, int]:
    kept = schema.request.c
    query = select(kept.request_id, kept.revision).where(kept.request_id.startswith("change-"))
    with database.read() as connection:
        return {row.request_id: row.revision for row in connection.execute(query)}


def grant_rows(database: Database) -> dict[tuple[str, str], tuple[int, int]]:
    """Count the grants of each subject and scope, and tell their one revision."""
    rule = schema.rule.c
    query = select(rule.subject, rule.scope, rule.opened_revision).where(rule.tenant == TENANT)
    with database.read() as connection:
        found = Counter(map(tuple, connection.execute(query.where(rule.subject != ""))))
    return {(who, where): (times, at) for (who, where, at), times in found.items()}


def member_rows(database: Database) -> dict[str, int]:
    member = schema.member.c
    query = select(member.subject, member.opened_revision).where(member.tenant == TENANT)
    with database.read() as connection:
        return {row.subject: row[1] for row in connection.execute(query) if row.subject != WORKER}


def test_kill_loses_nothing_acknowledged_and_leaves_nothing_half_done(
    database_url: str, tmp_path: Path
) -> None:
    stream = Stream()
    doubts = 0
    for kill in range(KILLS):
        killed_amid(stream, tmp_path, database_url, more=20 + 17 * kill)
        doubts += len(stream.in_doubt)
    assert doubts, "no call was under way at any kill"
    settings = {"AUTHZ_DATABASE_URL": database_url}
    with trial_server(tmp_path, settings) as server, client_of(server) as client:
        go_on(stream, client)
    database = Database(database_url)
    ledger.assert_whole(database)
    assert_each_made_once(stream, database)
    database.close()
