"""What lies on disk: who may read it, and what it shows whoever does."""

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from authz_service.app.service import Service
from authz_service.config import Settings
from authz_service.domain.key import KeyKind, write
from authz_service.errors import AuthzError, ErrorReason
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import tenant_pb2 as tenants
from authz_service.gen.authz.v1 import webhook_pb2 as webhooks
from tests.rpc.account import Account
from tests.rpc.harness import Server, serving

GIVEN = write(KeyKind.OPERATOR, "key-given", "A" * 43)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}


def endpoint(server: Server) -> Any:
    request = webhooks.CreateEndpointRequest(
        tenant="acme", endpoint=webhooks.Endpoint(url="https://hooks.example.com/")
    )
    return server.operator.webhooks.CreateEndpoint(request)


def test_every_file_is_its_owners_alone_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with serving(tmp_path) as server:
            Account(server, "acme").onboard("free", ada=["admin"])
            endpoint(server)
            running = modes(tmp_path)
        stopped = modes(tmp_path)
    finally:
        os.umask(before)
    assert {"authz.db", "authz.db-wal", "authz.db-shm", "operator.key", "sealing.key"} <= set(
        running
    )
    assert set(running.values()) | set(stopped.values()) == {0o600}


def test_database_that_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert server.revision
        for name in ("authz.db", "authz.db-wal", "authz.db-shm"):
            (tmp_path / name).chmod(0o644)
        server.service.database.engine.dispose()
        server.service.database.clock()
        assert {modes(tmp_path)[f"authz.db{end}"] for end in ("", "-wal", "-shm")} == {0o600}


def test_secrets_of_webhooks_are_in_no_file_in_the_clear(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        Account(server, "acme").onboard("free", ada=["admin"])
        made = endpoint(server)
        rotated = server.operator.webhooks.RotateEndpointSecret(
            webhooks.RotateEndpointSecretRequest(tenant="acme", id=made.endpoint.id)
        )
        store = server.service.store
        with closing(sqlite3.connect(tmp_path / "authz.db")) as connection:
            (stored,) = connection.execute(
                "SELECT secret FROM endpoint_secret ORDER BY made_at DESC LIMIT 1"
            ).fetchone()
        assert store.seals.open(stored, made.endpoint.id) == rotated.secret
        everything = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for secret in (made.secret, rotated.secret):
        assert secret.removeprefix("whsec_").encode() not in everything


def test_key_that_seals_is_missed_aloud_and_checks_go_on(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        Account(server, "acme").onboard("free", ada=["admin"])
        made = endpoint(server)
    (tmp_path / "sealing.key").rename(tmp_path / "elsewhere")
    with capture_logs() as logs, serving(tmp_path) as server:
        server.operator.tenants.ListTenants(tenants.ListTenantsRequest())
        refusal = server.refuses(
            webhooks.CreateEndpointRequest(
                tenant="acme", endpoint=webhooks.Endpoint(url="https://hooks.example.com/")
            ),
            ErrorReason.SEALING_KEY_MISSING,
        )
        assert "sealing.key" in refusal.message
    (told,) = [entry for entry in logs if entry["event"] == "webhooks cannot be signed"]
    assert "sealing.key" in told["error"]
    assert not (tmp_path / "sealing.key").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "sealing.key")
    with serving(tmp_path) as server:
        request = webhooks.RotateEndpointSecretRequest(tenant="acme", id=made.endpoint.id)
        assert server.operator.webhooks.RotateEndpointSecret(request).secret


@pytest.mark.parametrize("by_file", [False, True])
def test_first_key_is_taken_from_the_settings_and_kept_nowhere(
    tmp_path: Path, by_file: bool
) -> None:
    settings: dict[str, Any] = {"first_key": GIVEN}
    if by_file:
        (tmp_path / "given").write_text(GIVEN + "\n")
        settings = {"first_key_file": tmp_path / "given"}
    file = tmp_path / "operator.key"
    service = Service(chosen(tmp_path, **settings))
    service.start()
    server = Server(service, service._settings, GIVEN)
    try:
        listed = server.operator.keys.ListKeys(keys.ListKeysRequest()).keys
        assert [key.id for key in listed] == ["key-given"]
    finally:
        server.close()
    assert not file.exists()


@pytest.mark.parametrize(
    "text",
    ["authz_op_key-1_x", GIVEN[:-1], GIVEN + "0", write(KeyKind.APP, "key-given", "A" * 43)],
)
def test_first_key_that_is_none_is_refused_at_the_start_and_not_repeated(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(AuthzError) as refused:
        Service(chosen(tmp_path, first_key=text))
    assert refused.value.field == "AUTHZ_FIRST_KEY"
    assert text not in refused.value.message


def test_first_key_is_printed_nowhere_but_on_a_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(tmp_path) as server:
        secret = server.operator_key.rpartition("_")[2]
    out, err = capfd.readouterr()
    assert secret not in out + err + caplog.text
    assert str(tmp_path / "operator.key") in out + err


def chosen(folder: Path, **more: Any) -> Settings:
    given: dict[str, Any] = {
        "database_url": f"sqlite:///{folder}/authz.db",
        "key_file": folder / "operator.key",
        "check_port": 0,
        "admin_port": 0,
        "jobs": False,
    }
    return Settings(**(given | more))
