"""The PostgreSQL that tests are lent is fresh, orders as SQLite does, and leaves nothing behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.house.tree import ROOT
from tests.postgres import fresh_database

KILLED_USER = """
import os, signal, sys
from pathlib import Path
from tests.postgres import postgres_server

with postgres_server(folder=Path(sys.argv[1])) as url:
    print(url, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""))


def test_database_is_empty_and_compares_byte_for_byte(postgres_url: str) -> None:
    query = "SELECT count(*), 'B' < 'a' FROM pg_tables WHERE schemaname = 'public'"
    with connect(postgres_url) as connection:
        assert connection.execute(query).fetchone() == (0, True)


def test_copy_of_a_template_holds_what_the_template_holds(
    postgres_base_url: str, postgres_url: str
) -> None:
    with connect(postgres_url) as connection:
        connection.execute("CREATE TABLE head (revision bigint)")
    with fresh_database(postgres_base_url, template=postgres_url) as copy, connect(copy) as reader:
        assert reader.execute("SELECT count(*) FROM head").fetchone() == (0,)


def test_server_of_a_killed_process_is_stopped(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "AUTHZ_TEST_POSTGRES_URL"}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_USER, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    deadline = time.monotonic() + 30
    while (tmp_path / "url").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    # The keeper forgets the server's name first, and then stops it.
    while time.monotonic() < deadline:
        try:
            connect(killed.stdout.strip()).close()
        except psycopg.OperationalError:
            return
        time.sleep(0.01)
    pytest.fail("the server is still there")
