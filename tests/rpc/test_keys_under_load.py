"""Keys change hands while calls run: no good call is lost, no ended secret lives on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2 as pb
from tests.conformance.outages import eventually
from tests.faults.client import reason_of
from tests.rpc.harness import Server, serving

CALLERS: Final = 6
ROTATIONS: Final = 10
ASKED: Final = checks.CheckRequest(tenant="nowhere", subject="user:ada", permission="invoices:view")


class Users:
    """Threads that check without a pause, each with the secret that was last given out."""

    def __init__(self, server: Server, credential: str) -> None:
        self._server = server
        self._credential = credential
        self._stopping = threading.Event()
        self.calls = [0] * CALLERS
        self.lost: list[grpc.RpcError] = []
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def take(self, credential: str) -> None:
        """Give out a secret, and return when nobody calls with another any more."""
        self._credential = credential
        before = list(self.calls)
        # Two calls on: the first may have been under way with the secret before.
        done = [count + 2 for count in before]
        eventually(lambda: self.lost or self._are_at(done), "all calls with the new secret")

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _are_at(self, counts: list[int]) -> bool:
        return all(now >= count for now, count in zip(self.calls, counts, strict=True))

    def _run(self, number: int) -> None:
        while not self._stopping.is_set():
            try:
                self._server.caller(self._credential).checks.Check(ASKED)
            except grpc.RpcError as error:
                self.lost.append(error)
            self.calls[number] += 1


@contextmanager
def using(server: Server, credential: str) -> Iterator[Users]:
    users = Users(server, credential)
    try:
        yield users
    finally:
        users.stop()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Serve one database twice; however slow the machine, no call is shed for it."""
    patient = {"poll_seconds": 0.05, "max_queue_seconds": 20.0, "max_standing_seconds": 20.0}
    with serving(tmp_path, **patient) as one, serving(tmp_path, **patient) as other:
        yield one, other


def refused(server: Server, credential: str) -> bool:
    """Tell whether a credential is refused as every bad one is."""
    try:
        server.caller(credential).checks.Check(ASKED)
    except grpc.RpcError as error:
        if reason_of(error) != ErrorReason.CREDENTIALS_INVALID:
            raise
        return True
    return False


def accepted(server: Server, credential: str) -> bool:
    return not refused(server, credential)


def test_no_call_is_lost_while_a_key_is_rotated_again_and_again(
    pair: tuple[Server, Server],
) -> None:
    server, other = pair
    made = server.operator.keys.CreateKey(pb.CreateKeyRequest(key=pb.Key(roles=["authz.checker"])))
    eventually(partial(accepted, other, made.credential), "the key is known elsewhere")
    with using(server, made.credential) as here, using(other, made.credential) as there:
        for _ in range(ROTATIONS):
            rotated = server.operator.keys.RotateKey(pb.RotateKeyRequest(id=made.key.id))
            here.take(rotated.credential)
            # Elsewhere the new secret is good a poll later, which the overlap covers.
            eventually(partial(accepted, other, rotated.credential), "known elsewhere")
            there.take(rotated.credential)
    assert here.lost == []
    assert there.lost == []
    assert min(*here.calls, *there.calls) > ROTATIONS


def test_revoked_key_is_refused_at_once_here_and_a_poll_later_elsewhere(
    pair: tuple[Server, Server],
) -> None:
    server, other = pair
    ended, kept = (
        server.operator.keys.CreateKey(pb.CreateKeyRequest(key=pb.Key(roles=["authz.checker"])))
        for _ in range(2)
    )
    eventually(partial(accepted, other, kept.credential), "the keys are known elsewhere")
    with using(server, kept.credential) as here, using(other, kept.credential) as there:
        server.operator.keys.RevokeKey(pb.RevokeKeyRequest(id=ended.key.id))
        assert refused(server, ended.credential)
        eventually(lambda: refused(other, ended.credential), "refused elsewhere")
        for users in (here, there):
            users.take(kept.credential)
    assert here.lost == there.lost == []


def test_secret_that_was_rotated_without_overlap_is_refused_at_once(
    pair: tuple[Server, Server],
) -> None:
    server, other = pair
    made = server.operator.keys.CreateKey(pb.CreateKeyRequest(key=pb.Key(roles=["authz.checker"])))
    request = pb.RotateKeyRequest(id=made.key.id, overlap=Duration())
    rotated = server.operator.keys.RotateKey(request)
    assert refused(server, made.credential)
    assert not refused(server, rotated.credential)
    eventually(partial(accepted, other, rotated.credential), "known elsewhere")
    assert refused(other, made.credential)
