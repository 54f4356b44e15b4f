"""A real server in a folder of its own, for the demo and for tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

import authz_service
from authz_service.client.failure import ExitCode, Failure

_HOST: Final = "127.0.0.1"
_CHANNEL: Final = [
    ("grpc.enable_http_proxy", 0),
    # The port is not open yet: without these the next look is a second later.
    *((f"grpc.{which}_reconnect_backoff_ms", 50) for which in ("initial", "min", "max")),
]
_ATTEMPTS: Final = 3
"""Between choosing a free port and listening on it, somebody else may take it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A server that runs; `environment` is what a client of it needs, and its settings."""

    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]

    @property
    def check_address(self) -> str:
        return f"{_HOST}:{self.environment['AUTHZ_CHECK_PORT']}"

    @property
    def admin_address(self) -> str:
        return f"{_HOST}:{self.environment['AUTHZ_ADMIN_PORT']}"

    @property
    def web_url(self) -> str:
        """Where HTTP is served, if it is."""
        return f"http://{_HOST}:{self.environment['AUTHZ_WEB_PORT']}"

    @property
    def key(self) -> str:
        """The first operator key."""
        return Path(self.environment["AUTHZ_KEY_FILE"]).read_text().strip()

    @property
    def log(self) -> str:
        """Everything that the server printed."""
        return _log(self.folder).read_text(errors="replace")


@contextmanager
def trial_server(
    folder: Path, settings: Mapping[str, str] | None = None, *, timeout: float = 60.0
) -> Iterator[Trial]:
    """Serve on free ports, with an own database and key in `folder`, until the block is left.

    `settings` (`AUTHZ_...`) come on top; an AUTHZ_WEB_PORT of 0 becomes a free one too. The
    database stays: serving again goes on with it.

    Raises:
        Failure: the server does not start; the message holds the end of its log.
    """
    trial = _started(folder, settings or {}, timeout)
    try:
        yield trial
    finally:
        stop(trial.process)


def stop(process: subprocess.Popen[bytes], patience: float = 15.0) -> int:
    """Ask the process to stop, make it if it does not, and return how it ended."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    except BaseException:  # interrupted while waiting: leave nothing behind
        process.kill()
        process.wait()
        raise


def command(*arguments: str) -> list[str]:
    """Return the command line that runs this very CLI with this very Python."""
    return [sys.executable, "-P", "-m", "authz_service.cli.main", *arguments]


def _started(folder: Path, settings: Mapping[str, str], timeout: float) -> Trial:
    for attempt in range(1, _ATTEMPTS + 1):
        trial = _launched(folder, settings)
        try:
            if _is_serving(trial, timeout):
                return trial
        except BaseException:
            stop(trial.process)
            raise
        code = stop(trial.process)
        if attempt == _ATTEMPTS or "AUTHZ_CHECK_PORT" in settings:
            message = f"the server did not start (exit code {code}):\n{trial.log[-2000:]}"
            raise Failure(ExitCode.UNREACHABLE, "NOT_STARTED", message)
    raise AssertionError


def _launched(folder: Path, settings: Mapping[str, str]) -> Trial:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")},
        # Whatever folder it is run from, this package and no other.
        "PYTHONPATH": os.pathsep.join(
            [str(Path(authz_service.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        ).strip(os.pathsep),
        "AUTHZ_DATABASE_URL": f"sqlite:///{folder / 'authz.db'}",
        "AUTHZ_KEY_FILE": str(folder / "operator.key"),
        "AUTHZ_HOST": _HOST,
        **dict(zip(("AUTHZ_CHECK_PORT", "AUTHZ_ADMIN_PORT"), free_ports(2), strict=True)),
        **settings,
    }
    if settings.get("AUTHZ_WEB_PORT") == "0":
        (environment["AUTHZ_WEB_PORT"],) = free_ports(1)
    with _log(folder).open("ab") as log:
        process = start(("serve",), environment, log)
    return Trial(folder, environment, process)


def start(
    words: Sequence[str], environment: Mapping[str, str], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a command as a process of its own; what it prints goes to `output`."""
    return subprocess.Popen(  # noqa: S603 - our own command
        command(*words), env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )


def _is_serving(trial: Trial, timeout: float) -> bool:
    """Wait until both ports say so; False if the process ends or time is up before."""
    deadline = time.monotonic() + timeout
    for address in (trial.check_address, trial.admin_address):
        with grpc.insecure_channel(address, _CHANNEL) as channel:
            while not _says_serving(HealthStub(channel)):
                if trial.process.poll() is not None or time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
    return trial.process.poll() is None


def _says_serving(health: Any) -> bool:  # its types know no methods
    try:
        answer = health.Check(HealthCheckRequest(), timeout=1)
    except grpc.RpcError:
        return False
    return bool(answer.status == HealthCheckResponse.SERVING)


def free_ports(number: int) -> list[str]:
    """Choose ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for item in sockets:
            item.bind((_HOST, 0))
        return [str(item.getsockname()[1]) for item in sockets]
    finally:
        for item in sockets:
            item.close()


def _log(folder: Path) -> Path:
    return folder / "server.log"
