"""Callers that do half of what they should, for as long as `AUTHZ_HOSTILE_SECONDS` says: nobody
else notices. `make faults` goes on for a minute with each kind; without it, a moment has to do.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz_service.cli.demo.throwaway_server import Trial, free_ports, trial_server
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import tenant_pb2 as tenants
from tests.faults.raw_http2 import Connection
from tests.rpc.harness import Caller
from tests.rpc.issuer import AUDIENCE, Issuer, issuing

SECONDS: Final = float(os.environ.get("AUTHZ_HOSTILE_SECONDS", "1"))
WHOLE: Final = SECONDS >= 10
"""Whether to measure as well, for which a machine must be quiet and the time long."""

QUESTION: Final = checks.CheckRequest(tenant="acme", subject="user:a", permission="invoices:view")
LISTING: Final = tenants.ListTenantsRequest(page_size=1)
PATHS: Final = (
    "/authz.v1.AuthorizationService/Check",
    "/authz.v1.TenantService/ListTenants",
)
HEALTH: Final = "/grpc.health.v1.Health/Check"

Metadata = tuple[tuple[str, str], ...]
Attack = Callable[["Target"], list[Any]]
"""Opens what is then held open, and closed when the next wave comes."""


class Target:
    """A server, a caller who means well, and the key of one who does not."""

    def __init__(self, trial: Trial, issuer: Issuer, metrics: str) -> None:
        self.issuer, self.metrics = issuer, metrics
        names = ("AUTHZ_CHECK_PORT", "AUTHZ_ADMIN_PORT")
        self.ports = tuple(int(trial.environment[name]) for name in names)
        own = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
        self.channels = [grpc.insecure_channel(f"127.0.0.1:{port}", own) for port in self.ports]
        operator = self.by(trial.key)
        made = operator.keys.CreateKey(
            keys.CreateKeyRequest(key=keys.Key(roles=["authz.checker", "authz.auditor"]))
        )
        self.good, self.bad_key = operator, made.credential

    def by(self, key: str) -> Caller:
        check, administration = self.channels
        return Caller(check, administration, ("authorization", f"Bearer {key}"))


def bearer(text: str) -> Metadata:
    return (("authorization", f"Bearer {text}"),)


def half_open(count: int, who: Callable[[Target], Metadata]) -> Attack:
    """Begin calls on both ports, and health's, whose messages never come."""

    def attack(at: Target) -> list[Any]:
        held = []
        for port, path in zip(at.ports, PATHS, strict=True):
            for first in range(0, count, 50):
                connection = Connection(port)
                for _ in range(min(50, count - first)):
                    connection.begin(path, *who(at))
                connection.begin(HEALTH)
                held.append(connection)
        return held

    return attack


def partial_messages(at: Target) -> list[Any]:
    held = []
    for port, path in zip(at.ports, PATHS, strict=True):
        connection = Connection(port)
        for _ in range(50):
            connection.send(connection.begin(path, *bearer(at.bad_key)), b"ab", length=100_000)
        held.append(connection)
    return held


def unread(at: Target) -> list[Any]:
    """Ask, and let not one byte of the answer come."""
    held = []
    for port, path in zip(at.ports, PATHS, strict=True):
        for _ in range(4):
            connection = Connection(port, window=0)
            for _ in range(50):
                connection.send(connection.begin(path, *bearer(at.bad_key)), b"")
                connection.send(connection.begin(HEALTH), b"")
                connection.send(connection.begin(HEALTH.replace("Check", "Watch")), b"")
            held.append(connection)
    return held


def silent(at: Target) -> list[Any]:
    ports = (*at.ports, int(at.metrics))
    return [socket.create_connection(("127.0.0.1", port)) for port in ports for _ in range(100)]


def slow_headers(at: Target) -> list[Any]:
    held = []
    for _ in range(300):
        connection = socket.create_connection(("127.0.0.1", int(at.metrics)))
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX: ")
        held.append(connection)
    return held


def flood(text: Callable[[Target], str]) -> Attack:
    """Call with a credential that is no good, whole calls as fast as they are refused."""

    def attack(at: Target) -> list[Any]:
        held = []
        for port, path in zip(at.ports, PATHS, strict=True):
            connection = Connection(port)
            for _ in range(400):
                connection.send(connection.begin(path, *bearer(text(at))), b"")
            held.append(connection)
        return held

    return attack


def made_up(at: Target) -> str:
    from joserfc.jwk import ECKey  # noqa: PLC0415 - a key each

    key = ECKey.generate_key("P-256", {"kid": f"made-up-{time.monotonic_ns()}"})
    return at.issuer.token("billing", key=key)


ATTACKS: Final[dict[str, Attack]] = {
    **{
        f"{count}-half-open-{name}": half_open(count, who)
        for count in (1, 50, 1000)
        for name, who in {
            "without-a-key": lambda _: (),
            "with-a-good-key": lambda at: bearer(at.bad_key),
            "with-a-wrong-key": lambda _: bearer("authz_op_key-1_wrong"),
            "with-a-made-up-token": lambda at: bearer("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.AA"),
        }.items()
    },
    "partial-messages": partial_messages,
    "unread-answers": unread,
    "silent-connections": silent,
    "slow-headers": slow_headers,
    "wrong-keys": flood(lambda _: "authz_op_key-1_wrong"),
    "made-up-tokens-of-a-slow-issuer": flood(made_up),
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    (metrics,) = free_ports(1)
    with issuing() as issuer:
        settings = {
            "AUTHZ_METRICS_PORT": metrics,
            "AUTHZ_JWT_ISSUER": issuer.name,
            "AUTHZ_JWT_AUDIENCE": AUDIENCE,
        }
        with trial_server(tmp_path_factory.mktemp("hostile"), settings) as trial:
            yield Target(trial, issuer, metrics)
            issuer.stalled.set()


@contextmanager
def attacked(at: Target, attack: Attack) -> Iterator[None]:
    """Attack in waves, each renewed once it has had a second to hurt."""
    stopping = threading.Event()

    def run() -> None:
        while not stopping.is_set():
            held: list[Any] = []
            with suppress(OSError):  # it is cut off, as it should be
                held = attack(at)
            stopping.wait(1.0)
            for connection in held:
                with suppress(OSError):
                    connection.close()

    attacker = threading.Thread(target=run)
    attacker.start()
    try:
        time.sleep(0.2)
        yield
    finally:
        stopping.set()
        attacker.join()


class Kind:
    """One kind of good call, made again and again."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.answered, self.lost = 0, list[str]()

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            try:
                self._call()
            except (grpc.RpcError, httpx.HTTPError) as error:
                self.lost.append(str(error)[:300])
            else:
                self.answered += 1
            time.sleep(0.01)


@pytest.mark.sweep
@pytest.mark.timeout(120 + 3 * SECONDS)
@pytest.mark.parametrize("name", ATTACKS)
def test_good_callers_are_answered_whatever_bad_ones_hold_open(target: Target, name: str) -> None:
    at = target
    if "slow-issuer" in name:
        at.issuer.stalled.clear()
    health: Any = health_pb2_grpc.HealthStub(at.channels[0])
    kinds = {
        "check": Kind(lambda: at.good.checks.Check(QUESTION, timeout=5)),
        "administration": Kind(lambda: at.good.tenants.ListTenants(LISTING, timeout=5)),
        "health": Kind(lambda: health.Check(health_pb2.HealthCheckRequest(), timeout=5)),
        "http": Kind(lambda: httpx.get(f"http://127.0.0.1:{at.metrics}/health", timeout=5)),
    }
    with attacked(at, ATTACKS[name]):
        ends = time.monotonic() + SECONDS
        callers = [threading.Thread(target=kind.run, args=(ends,)) for kind in kinds.values()]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    at.issuer.stalled.set()
    for what, kind in kinds.items():
        asked = kind.answered + len(kind.lost)
        assert kind.answered, (what, kind.lost[:3])
        assert len(kind.lost) <= max(asked / 100, 0 if WHOLE else 1), (what, asked, kind.lost[:3])


@pytest.mark.skipif(not WHOLE, reason="measures, for which `make faults` takes the time")
def test_flood_of_wrong_keys_leaves_good_callers_their_pace(target: Target) -> None:
    took: list[float] = []
    with attacked(target, ATTACKS["wrong-keys"]):
        began = time.monotonic()
        for number in range(int(500 * SECONDS / 4)):
            due = began + number / 500
            time.sleep(max(0.0, due - time.monotonic()))
            start = time.monotonic()
            target.good.checks.Check(QUESTION, timeout=5)
            took.append(time.monotonic() - start)
    took.sort()
    assert took[int(len(took) * 0.99)] <= 0.02
