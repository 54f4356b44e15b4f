"""The processes of a `serve`: what one of them suffers, the others' callers hardly notice."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import grpc
import httpx

from authz_service.cli.demo.throwaway_server import Trial, command, free_ports, trial_server
from authz_service.config import shipped_policies
from tests.conformance.outages import eventually
from tests.faults.client import Client, client_of, reason_of

PERMISSION = "projects:view"
WORKERS = 2


@contextmanager
def processes(
    folder: Path, url: str, silent_seconds: str = "1", **others: str
) -> Iterator[tuple[Trial, Client]]:
    (metrics,) = free_ports(1)
    settings = {
        "AUTHZ_DATABASE_URL": url,
        "AUTHZ_WORKERS": str(WORKERS),
        "AUTHZ_SILENT_SECONDS": silent_seconds,
        "AUTHZ_METRICS_PORT": metrics,
        **others,
    }
    with trial_server(folder, settings) as server, client_of(server) as client:
        client.onboard("user:worker")
        yield server, client


def children(server: Trial) -> list[int]:
    """Name the processes that the server has forked, workers first."""
    pid = server.process.pid
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def clients(server: Trial, stack: ExitStack, number: int) -> list[Client]:
    """Connect so often that every worker has some of the connections."""
    return [stack.enter_context(client_of(server)) for _ in range(number)]


def written(client: Client, number: int) -> str:
    scope = f"project:{number}"
    client.grant("user:worker", "viewer", scope, f"write-{number}")
    return scope


def is_allowed(client: Client, scope: str) -> bool:
    return client.allowed(PERMISSION, ("user:worker", scope)) == [True]


def test_what_is_written_is_read_at_every_worker(database_url: str, tmp_path: Path) -> None:
    with processes(tmp_path, database_url) as (server, client), ExitStack() as stack:
        readers = clients(server, stack, 8)
        for number in range(25):
            scope = written(client, number)
            assert [is_allowed(reader, scope) for reader in readers] == [True] * 8
        metrics = httpx.get(f"http://127.0.0.1:{server.environment['AUTHZ_METRICS_PORT']}/metrics")
        assert 'authz_decisions_total{reason="ALLOWED"} 200.0' in metrics.text
        assert f"authz_check_workers {WORKERS}.0" in metrics.text


def test_rate_of_a_caller_holds_for_all_workers_together(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/authz.db"
    rate = {"AUTHZ_RATE_CHECKS_PER_SECOND": "20"}
    with processes(tmp_path, url, "60", **rate) as (server, _), ExitStack() as stack:
        readers = clients(server, stack, 8)
        answered, start = 0, time.monotonic()
        while (seconds := time.monotonic() - start) < 4:
            answered += sum(map(_is_answered, readers))
        # Each worker alone would answer 20 in the first instant and 20 a second.
        assert answered < 1.5 * (20 + 20 * seconds)


def test_killed_processes_are_started_again(database_url: str, tmp_path: Path) -> None:
    with processes(tmp_path, database_url) as (server, client), ExitStack() as stack:
        before = children(server)
        scope = written(client, 0)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(set(children(server)) - set(before)) == len(before), "new ones")
        readers = clients(server, stack, 4)
        eventually(lambda: _answers(client, 1), "changes are made again")
        assert [is_allowed(reader, scope) for reader in readers] == [True] * 4
        scope = written(client, 2)
        assert [is_allowed(reader, scope) for reader in readers] == [True] * 4


def test_stopped_worker_holds_up_one_change_and_is_replaced(
    database_url: str, tmp_path: Path
) -> None:
    with processes(tmp_path, database_url) as (server, client):
        written(client, 0)
        first, *_ = before = children(server)
        os.kill(first, signal.SIGSTOP)
        took = []
        for number in range(1, 6):
            start = time.perf_counter()
            written(client, number)
            took.append(time.perf_counter() - start)
        assert took[0] > 0.08
        assert median(took[1:]) < 0.08
        eventually(lambda: first not in children(server), "the end of the stopped worker")
        eventually(lambda: len(children(server)) == len(before), "another one in its place")


def test_second_server_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with processes(tmp_path, f"sqlite:///{tmp_path}/authz.db") as (server, _):
        environment = {**server.environment, "AUTHZ_KEY_FILE": str(tmp_path / "other" / "key")}
        second = subprocess.run(
            command("serve"),
            check=False,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
        taken = f"127.0.0.1:{server.environment['AUTHZ_CHECK_PORT']}"
        assert second.returncode == 3
        assert f"cannot listen on {taken} for checks" in second.stderr
        assert "Traceback" not in second.stderr


def test_processes_die_with_their_supervisor(tmp_path: Path) -> None:
    """At once, those that stand still as well: the next server finds its ports free."""
    url = f"sqlite:///{tmp_path}/authz.db"
    with processes(tmp_path, url, "60") as (server, client):
        scope = written(client, 0)
        forked = children(server)
        os.kill(forked[0], signal.SIGSTOP)
        server.process.kill()
        server.process.wait()
        deadline = time.monotonic() + 1
        while any(Path(f"/proc/{pid}/fd/0").exists() for pid in forked):
            assert time.monotonic() < deadline, "a process outlives its supervisor"
    with trial_server(tmp_path, server.environment) as after, client_of(after) as client:
        assert after.check_address == server.check_address
        assert is_allowed(client, scope)


def test_health_tells_of_the_whole(tmp_path: Path) -> None:
    with processes(tmp_path, f"sqlite:///{tmp_path}/authz.db", "60") as (server, client):
        url = f"http://127.0.0.1:{server.environment['AUTHZ_METRICS_PORT']}/health"
        assert httpx.get(url).status_code == 200
        workers = children(server)[:WORKERS]
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        written(client, 0)
        assert httpx.get(url).json() == {"status": "no checks: no worker is up to date"}
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        eventually(lambda: httpx.get(url).status_code == 200, "they follow again")


TABLE: Final = shipped_policies() / "examples" / "gitlab" / "permissions.csv"


def test_long_reads_are_done_in_a_process_of_their_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/authz.db"
    with processes(tmp_path, url, "60") as (server, _), ThreadPoolExecutor(3) as pool:
        *_, long_reads = children(server)
        os.kill(long_reads, signal.SIGSTOP)
        reads = (
            ("import", "matrix", str(TABLE), "--tiers", "free,premium,ultimate", "--dry-run"),
            ("rules", "export", str(tmp_path / "rules")),
            ("audit", "verify", "system"),
        )
        asked = [pool.submit(authz, server, *arguments) for arguments in reads]
        assert authz(server, "tenants", "show", "acme").returncode == 0
        time.sleep(2)
        assert [call.result() for call in asked if call.done()] == []
        os.kill(long_reads, signal.SIGCONT)
        assert [call.result().returncode for call in asked] == [0, 0, 0]
        assert "TENANT_NOT_FOUND" in authz(server, "audit", "verify", "nobody").stderr


def test_long_reads_wait_for_the_next_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/authz.db"
    with processes(tmp_path, url, "60") as (server, _), ThreadPoolExecutor(1) as pool:
        *_, long_reads = children(server)
        os.kill(long_reads, signal.SIGSTOP)
        asked = pool.submit(authz, server, "audit", "verify", "system")
        time.sleep(2)
        os.kill(long_reads, signal.SIGKILL)
        assert asked.result().returncode == 0


def authz(server: Trial, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments),
        check=False,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def _is_answered(client: Client) -> bool:
    try:
        is_allowed(client, "")
    except grpc.RpcError as error:
        return reason_of(error) != "RATE_LIMITED"
    return True


def _answers(client: Client, number: int) -> bool:
    try:
        written(client, number)
    except grpc.RpcError:
        return False
    return True
