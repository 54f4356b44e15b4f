"""How a server starts: on a database that is behind, empty, or left by a start that was killed."""

import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from authz_service.cli.demo.throwaway_server import command, trial_server
from authz_service.domain.key import ApiKey
from authz_service.errors import Unavailable
from authz_service.store.database import Database
from authz_service.store.facts import Facts
from authz_service.store.migrate import pending
from tests.conformance import ledger
from tests.conformance.outages import eventually
from tests.faults.client import client_of


def environment(folder: Path, url: str) -> Mapping[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")}
    return plain | {
        "AUTHZ_DATABASE_URL": url,
        "AUTHZ_KEY_FILE": str(folder / "operator.key"),
        "AUTHZ_CHECK_PORT": "0",
        "AUTHZ_ADMIN_PORT": "0",
    }


def run(folder: Path, url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments),
        env=environment(folder, url),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def keys_in(database: Database) -> list[ApiKey]:
    with database.read() as connection:
        return Facts(connection).kept(ApiKey)


def test_serve_refuses_a_postgresql_database_that_is_behind_until_it_is_migrated(
    postgres_url: str, tmp_path: Path
) -> None:
    refused = run(tmp_path, postgres_url, "serve")
    assert refused.returncode != 0
    assert "authz migrate" in refused.stderr
    assert "Traceback" not in refused.stderr
    database = Database(postgres_url)
    lacking = pending(database)
    assert lacking, "serve has migrated it by itself"
    migrated = run(tmp_path, postgres_url, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert all(name in migrated.stdout for name in lacking)
    assert pending(database) == []
    with (
        trial_server(tmp_path, {"AUTHZ_DATABASE_URL": postgres_url}) as server,
        client_of(server) as client,
    ):
        assert client.onboard("user:alice") == ledger.head(database)
    ledger.assert_whole(database)
    database.close()


def test_migrating_from_several_processes_at_once_is_migrating_once(
    postgres_url: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(run, tmp_path, postgres_url, "migrate") for _ in range(3)]
    assert [each.result().returncode for each in runs] == [0, 0, 0], runs[0].result().stderr
    database = Database(postgres_url)
    assert pending(database) == []
    assert ledger.head(database) == 0
    database.close()


def test_the_embedded_database_is_made_and_migrated_by_serve(tmp_path: Path) -> None:
    with trial_server(tmp_path) as server, client_of(server) as client:
        client.onboard("user:alice")
        key = server.key
    assert (tmp_path / "operator.key").stat().st_mode & 0o777 == 0o600
    database = Database(f"sqlite:///{tmp_path / 'authz.db'}")
    assert pending(database) == []
    ledger.assert_whole(database)
    with trial_server(tmp_path) as again, client_of(again) as client:
        assert again.key == key
        assert client.add_member("user:bob", (), "m1") == ledger.head(database)
    database.close()


def test_a_first_start_that_was_killed_is_made_good_by_the_next(tmp_path: Path) -> None:
    """Killed when the first key is kept: whether it was committed too, nobody knows."""
    folder = tmp_path / "killed"
    folder.mkdir()
    url = f"sqlite:///{folder / 'authz.db'}"
    with subprocess.Popen(
        command("serve"),
        env=environment(folder, url),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as first:
        eventually((folder / "operator.key").exists, "the first key")
        first.kill()
    with trial_server(folder) as server, client_of(server) as client:
        client.onboard("user:alice")
    database = Database(url)
    ledger.assert_whole(database)
    assert len(keys_in(database)) == 1
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////proc",
        "postgresql+psycopg://nobody:secret@127.0.0.1:1/nothing",
    ],
)
def test_serve_says_in_one_line_that_its_database_cannot_be_used(tmp_path: Path, url: str) -> None:
    refused = run(tmp_path, url, "serve")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr
    assert "database" in refused.stderr


def test_several_servers_that_open_one_fresh_file_at_once_all_come_up(tmp_path: Path) -> None:
    shared = {
        "AUTHZ_DATABASE_URL": f"sqlite:///{tmp_path / 'authz.db'}",
        "AUTHZ_KEY_FILE": str(tmp_path / "operator.key"),
    }
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack, ThreadPoolExecutor(len(folders)) as pool:
        trials = [trial_server(folder, shared) for folder in folders]
        servers = list(pool.map(stack.enter_context, trials))
        for number, server in enumerate(servers):
            with client_of(server) as client:
                if not number:
                    client.onboard("user:alice")
                client.add_member(f"user:m{number}", ("viewer",), f"m{number}")
    database = Database(shared["AUTHZ_DATABASE_URL"])
    ledger.assert_whole(database)
    assert len(keys_in(database)) == 1
    database.close()


@contextmanager
def being_written(file: Path) -> Iterator[sqlite3.Connection]:
    """Make a fresh file that another process is about to write to."""
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE written_to (number)")
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        other.close()


def test_fresh_file_that_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    """To make a WAL of its journal SQLite reads first, and then waits for no writer."""
    file = tmp_path / "authz.db"
    with being_written(file) as other:
        database = Database(f"sqlite:///{file}")
        leaving = threading.Timer(0.2, other.execute, ["COMMIT"])
        leaving.start()
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        leaving.join()
        database.close()


def test_fresh_file_that_stays_locked_is_given_up(tmp_path: Path) -> None:
    file = tmp_path / "authz.db"
    with being_written(file):
        database = Database(f"sqlite:///{file}", busy_seconds=0.1)
        with pytest.raises(Unavailable), database.read():
            pass
        database.close()
