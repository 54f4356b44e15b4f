"""How a server starts: on a database that is behind, empty, or left by a start that was killed."""

import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authz_service.cli.trial import command, trial_server
from authz_service.store.database import Database
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
    assert len(ledger.contents(database)["api_key"]) == 1
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
