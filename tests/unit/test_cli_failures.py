"""How the CLI ends when it cannot do what was asked for."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from authz_service.cli import session
from authz_service.client.connection import address_of
from authz_service.client.failure import _ADVICE
from authz_service.gen.authz.v1.error_reason_pb2 import ErrorReason
from tests.commands import Authz, authz_command

authz = pytest.fixture(authz_command)

CHECK = ("check", "acme", "user:alice", "invoices:export")


@pytest.fixture
def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_without_a_key_it_says_where_it_looked_and_exits_5(authz: Authz, tmp_path: Path) -> None:
    ran = authz(*CHECK)
    assert ran.code == 5
    assert ran.out == ""
    assert str(tmp_path / "var" / "operator.key") in ran.err
    assert "AUTHZ_KEY" in ran.err


def test_a_key_that_is_none_is_refused_and_not_repeated(
    authz: Authz, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHZ_KEY", "authz_1 s3cr3t")
    ran = authz(*CHECK)
    assert ran.code == 5
    assert "s3cr3t" not in ran.err


def test_an_unreachable_server_is_named_with_what_to_run_and_exits_4(
    authz: Authz, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("AUTHZ_KEY", "authz_1_x")
    monkeypatch.setenv("AUTHZ_CHECK_PORT", str(closed_port))
    ran = authz(*CHECK)
    assert ran.code == 4
    assert f"127.0.0.1:{closed_port}" in ran.err
    assert "make run" in ran.err
    assert "authz serve" in ran.err


def test_an_address_given_wins_over_the_settings(
    authz: Authz, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("AUTHZ_KEY", "authz_1_x")
    ran = authz("tenants", "list", "--address", f"localhost:{closed_port}", "-o", "json")
    assert ran.code == 4
    assert f"localhost:{closed_port}" in ran.failure["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--output", "json", *CHECK),
        (*CHECK, "--output", "json"),
        (*CHECK, "--output=json"),
        ("-o", "json", *CHECK),
        (*CHECK, "-ojson"),
    ],
)
def test_a_failure_is_one_json_document_on_standard_error(
    authz: Authz, arguments: tuple[str, ...]
) -> None:
    ran = authz(*arguments)
    assert ran.code == 5
    assert ran.out == ""
    assert {"code", "reason", "message", "field"} <= ran.failure.keys()
    assert ran.failure["reason"] == "NO_KEY"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("check", "acme"),
        (*CHECK, "--nonsense"),
        (*CHECK, "--output", "yaml"),
        (*CHECK, "--used", "3"),
        ("tenants",),
        ("grant", "acme", "user:alice", "editor", "--until", "tomorrow"),
        ("tenants", "list", "--limit", "0"),
        ("exceptions", "grant", "acme", "invoices:export"),
        ("import", "matrix", "missing.csv", "--tiers", "free"),
    ],
)
def test_wrong_usage_exits_2_without_a_traceback(
    authz: Authz, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("AUTHZ_KEY", "authz_1_x")
    ran = authz(*arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert ran.err or not arguments


def test_wrong_usage_is_json_where_json_is_asked_for(authz: Authz) -> None:
    ran = authz("check", "acme", "--output", "json")
    assert ran.code == 2
    assert ran.failure["reason"] == "USAGE"
    assert "SUBJECT" in ran.failure["message"]


def test_a_wrong_setting_is_named_but_not_repeated(
    authz: Authz, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHZ_CHECK_PORT", "fifty")
    ran = authz(*CHECK, "--output", "json")
    assert ran.code == 2
    assert ran.failure["field"] == "AUTHZ_CHECK_PORT"
    assert "fifty" not in ran.err


def test_a_bug_is_one_line_and_its_own_code(authz: Authz, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the wheels came off\nand more")

    monkeypatch.setattr(session.Session, "settings", property(broken))
    ran = authz(*CHECK)
    assert ran.code == 70
    assert "RuntimeError: the wheels came off" in ran.err
    assert "Traceback" not in ran.err
    assert "AUTHZ_DEBUG" in ran.err


def test_debugging_shows_where_a_bug_is(authz: Authz, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the wheels came off")

    monkeypatch.setattr(session.Session, "settings", property(broken))
    monkeypatch.setenv("AUTHZ_DEBUG", "1")
    assert "Traceback" in authz(*CHECK).err


def test_advice_is_given_on_reasons_that_exist() -> None:
    published = {name.removeprefix("ERROR_REASON_") for name, _ in ErrorReason.items()}
    assert _ADVICE.keys() <= published
    # What else there is to say, the message says.
    assert published - _ADVICE.keys() == {"UNSPECIFIED", "INVALID_PAGE_TOKEN"}


@pytest.mark.parametrize(
    ("given", "host", "expected"),
    [
        ("", "127.0.0.1", "127.0.0.1:50051"),
        ("", "0.0.0.0", "127.0.0.1:50051"),
        ("", "::", "[::1]:50051"),
        ("", "::1", "[::1]:50051"),
        ("authz.internal", "127.0.0.1", "authz.internal:50051"),
        ("authz.internal:9000", "127.0.0.1", "authz.internal:9000"),
        ("[::1]", "127.0.0.1", "[::1]:50051"),
        ("[::1]:9000", "127.0.0.1", "[::1]:9000"),
        ("fe80::1", "127.0.0.1", "[fe80::1]:50051"),
    ],
)
def test_an_address_is_a_host_with_or_without_a_port(given: str, host: str, expected: str) -> None:
    assert address_of(given, host, 50051) == expected


def test_help_needs_neither_grpc_nor_settings_nor_the_server() -> None:
    code = (
        "import json, sys; from authz_service.cli.main import app; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(json.loads(ran.stdout))
    heavy = {"grpc", "pydantic_settings", "sqlalchemy", "casbin", "yaml", "authz_service.app"}
    assert imported & heavy == set()
