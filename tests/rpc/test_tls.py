"""TLS on both ports: who connects, what is refused at start, and certificates that change."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from authz_service.app.service import Service
from authz_service.config import Settings
from authz_service.errors import AuthzError, ErrorReason, FailedPrecondition, InvalidArgument
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import tenant_pb2
from authz_service.rpc.certificates import Certificates
from authz_service.serving.tls import TlsFiles
from tests.commands import Authz, authz_command
from tests.rpc.certificates import Authority, Files, Pair, files, serial
from tests.rpc.harness import PATIENCE, Caller, Server, serving

authz = pytest.fixture(authz_command)

QUESTION = checks.CheckRequest(tenant="acme", subject="user:alice", permission="invoices:view")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def ours(authority: Authority, tmp_path: Path) -> Files:
    """Write a good certificate for 127.0.0.1."""
    return files(tmp_path, "server", authority.sign())


def settings_of(ours: Files, **more: Any) -> dict[str, Any]:
    return {"tls_cert": ours.certificate, "tls_key": ours.key, **more}


def trusting(authority: Authority, shown: Pair | None = None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(authority.pem, *((shown.key, shown[0]) if shown else ()))


@contextmanager
def caller(server: Server, credentials: grpc.ChannelCredentials) -> Iterator[Caller]:
    """Connect anew to both ports, with the operator's key."""
    numbers = (server.service.check_port.number, server.service.admin_port.number)
    # Channels with equal arguments share a connection, unless each is told to have its own.
    options = (("grpc.use_local_subchannel_pool", 1),)
    with ExitStack() as open_ones:
        checks_, admin = (
            open_ones.enter_context(
                grpc.secure_channel(server.address(number), credentials, options)
            )
            for number in numbers
        )
        yield Caller(checks_, admin, ("authorization", f"Bearer {server.operator_key}"))


def connects(server: Server, credentials: grpc.ChannelCredentials) -> bool:
    with caller(server, credentials) as someone:
        try:
            return bool(someone.checks.Check(QUESTION).revision)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return False
            raise


def served(server: Server) -> int:
    """Return the serial number of the certificate that a new connection is shown."""
    address = (server.settings.host, server.service.check_port.number)
    return serial(ssl.get_server_certificate(address, timeout=PATIENCE).encode())


def test_both_ports_serve_tls(authority: Authority, ours: Files, tmp_path: Path) -> None:
    with serving(tmp_path, **settings_of(ours)) as server:
        with caller(server, trusting(authority)) as operator:
            assert operator.checks.Check(QUESTION).revision
            listed = operator.tenants.ListTenants(tenant_pb2.ListTenantsRequest())
            assert listed.revision
        assert not connects(server, trusting(Authority("Another CA")))


def test_plaintext_is_not_answered_by_a_port_that_serves_tls(ours: Files, tmp_path: Path) -> None:
    with serving(tmp_path, **settings_of(ours)) as server:
        for call in (
            lambda: server.operator.checks.Check(QUESTION),
            lambda: server.operator.tenants.ListTenants(tenant_pb2.ListTenantsRequest()),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_client_certificate_is_required_and_verified(
    authority: Authority, ours: Files, tmp_path: Path
) -> None:
    clients = Authority("Clients")
    (tmp_path / "clients.pem").write_bytes(clients.pem)
    asked = settings_of(ours, tls_client_ca=tmp_path / "clients.pem")
    with serving(tmp_path, **asked) as server:
        assert connects(server, trusting(authority, clients.sign("client")))
        assert not connects(server, trusting(authority))
        assert not connects(server, trusting(authority, authority.sign("client")))
        assert not connects(server, trusting(authority, clients.sign("client", days=(-9, -1))))


def test_client_ca_that_changes_holds_from_the_next_connection(
    authority: Authority, ours: Files, tmp_path: Path
) -> None:
    before, after = Authority("Clients"), Authority("Clients of tomorrow")
    client_ca = tmp_path / "clients.pem"
    client_ca.write_bytes(before.pem)
    with serving(tmp_path, **settings_of(ours, tls_client_ca=client_ca)) as server:
        assert connects(server, trusting(authority, before.sign("client")))
        client_ca.write_bytes(after.pem)
        assert not connects(server, trusting(authority, before.sign("client")))
        assert connects(server, trusting(authority, after.sign("client")))


def test_certificate_changes_while_calls_run_and_no_call_is_lost(
    authority: Authority, ours: Files, tmp_path: Path
) -> None:
    with serving(tmp_path, **settings_of(ours)) as server, ExitStack() as connected:
        callers = [connected.enter_context(caller(server, trusting(authority))) for _ in range(3)]
        done = threading.Event()
        answered, lost = [0] * len(callers), list[Exception]()

        def go_on(number: int) -> None:
            while not done.is_set() and not lost:
                try:
                    callers[number].checks.Check(QUESTION)
                    assert connects(server, trusting(authority))
                    answered[number] += 1
                except (grpc.RpcError, AssertionError) as error:
                    lost.append(error)

        going = [threading.Thread(target=go_on, args=(n,)) for n in range(len(callers))]
        for each in going:
            each.start()
        for _ in range(5):
            fresh = authority.sign()
            ours.key.write_bytes(fresh.key)  # from here to the next line the pair is a wrong one
            assert served(server) != serial(fresh.certificate)
            ours.certificate.write_bytes(fresh.certificate)
            assert served(server) == serial(fresh.certificate)
        done.set()
        for each in going:
            each.join()
        assert lost == []
        assert all(answered)


@pytest.mark.parametrize("content", [b"", b"garbage", None], ids=["empty", "garbage", "missing"])
def test_files_that_are_no_use_leave_the_last_good_ones_and_are_logged_once(
    authority: Authority, ours: Files, content: bytes | None
) -> None:
    certificates = Certificates(TlsFiles(ours.certificate, ours.key))
    with capture_logs() as logs:
        if content is None:
            ours.certificate.unlink()
        else:
            ours.certificate.write_bytes(content)
        assert [certificates.changed() for _ in range(3)] == [None] * 3
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert "last good one stays" in logs[0]["event"]
    ours.put(authority.sign())
    assert certificates.changed() is not None
    assert certificates.changed() is None


def test_files_that_are_replaced_by_others_are_read_again(
    authority: Authority, ours: Files, tmp_path: Path
) -> None:
    certificates = Certificates(TlsFiles(ours.certificate, ours.key))
    assert certificates.changed() is None
    beside = files(tmp_path, "beside", authority.sign())
    beside.key.replace(ours.key)
    beside.certificate.replace(ours.certificate)
    assert certificates.changed() is not None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "authz.internal", "192.0.2.1"])
def test_plaintext_off_loopback_is_refused_before_anything_is_written(
    host: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/authz.db"
    with pytest.raises(FailedPrecondition) as refused:
        Service(Settings(database_url=url, host=host, check_port=0, admin_port=0))
    assert refused.value.reason is ErrorReason.PLAINTEXT_REFUSED
    assert "AUTHZ_TLS_CERT" in refused.value.message
    assert "AUTHZ_PLAINTEXT=allow" in refused.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings", [{"host": "localhost"}, {"host": "0.0.0.0", "plaintext": "allow"}]
)
def test_plaintext_is_served_on_loopback_and_where_it_is_allowed(
    settings: dict[str, str], tmp_path: Path
) -> None:
    with serving(tmp_path, **settings) as server:
        assert server.operator.checks.Check(QUESTION).revision


def test_tls_settings_that_are_not_whole_are_refused(ours: Files, tmp_path: Path) -> None:
    for given, missing in (
        ({"tls_cert": ours.certificate}, "AUTHZ_TLS_KEY"),
        ({"tls_key": ours.key}, "AUTHZ_TLS_CERT"),
        ({"tls_client_ca": ours.certificate}, "AUTHZ_TLS_CERT"),
    ):
        refused = refusal_of(tmp_path, **given)
        assert (refused.reason, refused.field) == (ErrorReason.INVALID_FIELD, missing)


def test_tls_files_that_cannot_be_used_stop_the_start_and_are_named(
    authority: Authority, ours: Files, tmp_path: Path
) -> None:
    others = files(tmp_path, "others", authority.sign())
    for given, said in (
        ({"tls_key": others.key}, "key values mismatch"),
        ({"tls_key": tmp_path / "nowhere.key"}, "no such file"),
        ({"tls_client_ca": ours.key}, "AUTHZ_TLS_CLIENT_CA"),
        ({"tls_key": encrypted(ours.key)}, "AUTHZ_TLS_KEY"),
    ):
        refused = refusal_of(tmp_path, **settings_of(ours) | given)
        assert refused.reason is ErrorReason.INVALID_FIELD
        assert said in refused.message
        assert str(next(iter(given.values()))) in refused.message


def encrypted(key: Path) -> Path:
    """Write the key again, locked by a password."""
    made = load_pem_private_key(key.read_bytes(), None)
    how = BestAvailableEncryption(b"secret")
    locked = key.with_suffix(".locked")
    locked.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    return locked


def refusal_of(folder: Path, **settings: Any) -> AuthzError:
    url = f"sqlite:///{folder}/authz.db"
    with pytest.raises(InvalidArgument) as refused:
        Service(Settings(database_url=url, check_port=0, admin_port=0, **settings))
    assert not (folder / "authz.db").exists()
    return refused.value


class Terminal:
    """The command line, with the key of a server and what it trusts and shows."""

    def __init__(self, authz: Authz, monkeypatch: pytest.MonkeyPatch) -> None:
        self._authz, self._environment = authz, monkeypatch

    def check(self, server: Server, **settings: object) -> tuple[int, str]:
        """Ask; return the exit code and what was said of a failure."""
        self._environment.setenv("AUTHZ_KEY", server.operator_key)
        for name in ("TLS_CA", "TLS_CLIENT_CERT", "TLS_CLIENT_KEY"):
            self._environment.delenv(f"AUTHZ_{name}", raising=False)
        for name, value in settings.items():
            self._environment.setenv(f"AUTHZ_{name.upper()}", str(value))
        address = server.address(server.service.check_port.number)
        asked = ("check", "acme", "user:alice", "invoices:view", "--address", address)
        ran = self._authz(*asked, "--output", "json")
        return ran.code, "" if ran.code in (0, 1) else ran.failure["message"]


@pytest.fixture
def terminal(authz: Authz, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(authz, monkeypatch)


def test_command_line_connects_with_tls_and_shows_its_certificate(
    authority: Authority, ours: Files, tmp_path: Path, terminal: Terminal
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    mine = files(tmp_path, "mine", authority.sign("me"))
    shown = {"tls_client_cert": mine.certificate, "tls_client_key": mine.key}
    with serving(tmp_path, **settings_of(ours, tls_client_ca=ca)) as server:
        assert terminal.check(server, tls_ca=ca, **shown) == (1, "")
        assert terminal.check(server, tls_ca=ca)[0] == 4
        code, said = terminal.check(server, tls_client_cert=mine.certificate)
        assert (code, "AUTHZ_TLS_CA" in said) == (2, True)
        code, said = terminal.check(server, tls_ca=mine.key)
        assert (code, str(mine.key) in said) == (2, True)


def test_command_line_calls_by_its_certificate_where_there_is_no_key(
    authority: Authority, ours: Files, tmp_path: Path, authz: Authz,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    mine = files(tmp_path, "mine", authority.sign("me"))
    shown = ("--tls-ca", str(ca), "--tls-cert", str(mine.certificate), "--tls-key", str(mine.key))
    monkeypatch.delenv("AUTHZ_KEY", raising=False)
    with serving(tmp_path, **settings_of(ours, tls_client_ca=ca)) as server:
        address = server.address(server.service.admin_port.number)
        listing = (*shown, "identities", "list", "--address", address, "-o", "json")
        monkeypatch.setenv("AUTHZ_KEY_FILE", str(tmp_path / "nowhere.key"))
        assert authz(*listing).failure["reason"] == "CREDENTIALS_INVALID"
        monkeypatch.setenv("AUTHZ_KEY", server.operator_key)
        assert authz(*shown, "identities", "create", "me", "--by", "common-name",
                     "--role", "authz.auditor", "--address", address).code == 0  # fmt: skip
        monkeypatch.delenv("AUTHZ_KEY")
        ran = authz(*listing)
        assert (ran.code, [each["name"] for each in ran.document["identities"]]) == (0, ["me"])
        told = authz(*shown, "keys", "create", "x", "--role", "authz.checker", "--address", address,
                     "-o", "json").failure  # fmt: skip
        assert told["reason"] == "PERMISSION_DENIED"
        assert "service:idn-" in told["message"]
        # A key, where there is one, counts before the certificate.
        monkeypatch.setenv("AUTHZ_KEY", "authz_no_key")
        assert authz(*listing).failure["reason"] == "CREDENTIALS_INVALID"


@pytest.mark.parametrize(
    ("signed", "said"),
    [
        ({"days": (-9, -1)}, "its certificate has expired"),
        ({"days": (1, 9)}, "its certificate is not valid yet"),
        ({"ip": "192.0.2.1"}, "its certificate is for another name"),
    ],
)
def test_command_line_says_in_one_line_what_is_wrong_with_a_certificate(
    authority: Authority, tmp_path: Path, terminal: Terminal, signed: Any, said: str
) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    wrong = files(tmp_path, "wrong", authority.sign(**signed))
    with serving(tmp_path, **settings_of(wrong)) as server:
        code, message = terminal.check(server, tls_ca=tmp_path / "ca.pem")
    assert (code, message.count("\n")) == (4, 0)
    assert message.endswith(said)


def test_command_line_tells_a_ca_that_did_not_sign_and_a_port_without_tls_apart(
    authority: Authority, ours: Files, tmp_path: Path, terminal: Terminal
) -> None:
    (tmp_path / "ca.pem").write_bytes(Authority("Another CA").pem)
    with serving(tmp_path, **settings_of(ours)) as server:
        code, message = terminal.check(server, tls_ca=tmp_path / "ca.pem")
        assert (code, message.endswith("not signed by a CA in AUTHZ_TLS_CA")) == (4, True)
        code, message = terminal.check(server)
        assert (code, message.endswith("it hung up before any call")) == (4, True)
    with serving(tmp_path) as server:
        code, message = terminal.check(server, tls_ca=tmp_path / "ca.pem")
        assert (code, message.endswith("it does not speak TLS")) == (4, True)


def test_handshakes_that_stall_hold_nobody_up(
    authority: Authority, ours: Files, tmp_path: Path
) -> None:
    with serving(tmp_path, **settings_of(ours)) as server:
        numbers = (server.service.check_port.number, server.service.admin_port.number)
        stalled = [socket.create_connection((server.settings.host, each)) for each in numbers * 50]
        for connection in stalled[::2]:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")  # a ClientHello begins
        with caller(server, trusting(authority)) as operator:
            for _ in range(20):
                assert operator.checks.Check(QUESTION).revision
                listed = operator.tenants.ListTenants(tenant_pb2.ListTenantsRequest())
                assert listed.revision
        for connection in stalled:
            connection.close()
