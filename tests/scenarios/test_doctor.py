"""`authz doctor`: what is wrong with a deployment is found, and what to do about it is said."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from authz_service.cli.demo.throwaway_server import Trial, trial_server
from authz_service.cli.doctor import database as doctor_database
from authz_service.domain.key import KeyKind, write
from authz_service.store import database as store_database
from tests.commands import Authz, Ran, authz_command
from tests.jobs.mail_server import mail_server
from tests.rpc.harness import serving

authz = pytest.fixture(authz_command)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Serve with an own embedded database, for all tests here."""
    with trial_server(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def deployment(server: Trial, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trial:
    """Set the environment to a server that is well, with an own copy of its key."""
    for name, value in server.environment.items():
        if name.startswith("AUTHZ_"):
            monkeypatch.setenv(name, value)
    key = shutil.copy(server.environment["AUTHZ_KEY_FILE"], tmp_path / "operator.key")
    monkeypatch.setenv("AUTHZ_KEY_FILE", str(key))
    return server


@pytest.fixture
def doctor(authz: Authz, deployment: Trial) -> Callable[..., Ran]:
    return partial(authz, "doctor")


@pytest.fixture
def own_database(deployment: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lend a copy of the deployment's database, to spoil."""
    copy = tmp_path / "copy.db"
    source = sqlite3.connect(deployment.folder / "authz.db")
    target = sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.close()
    monkeypatch.setenv("AUTHZ_DATABASE_URL", f"sqlite:///{copy}")
    return copy


def spoil(database: Path, statement: str) -> None:
    connection = sqlite3.connect(database)
    connection.execute(statement)
    connection.commit()
    connection.close()


def findings(ran: Ran) -> dict[str, dict[str, str]]:
    found: list[dict[str, str]] = ran.document["findings"]
    return {each["name"]: each for each in found}


def the_problem(ran: Ran, name: str) -> str:
    """Assert that this one thing is wrong and that something can be done; say what is wrong."""
    found = findings(ran)
    assert ran.code == 1
    assert [each for each in found if found[each]["state"] == "problem"] == [name], ran.out
    assert found[name]["advice"]
    return found[name]["message"]


def test_deployment_that_is_well_has_no_problem(doctor: Callable[..., Ran]) -> None:
    ran = doctor("-o", "json")
    assert (ran.code, ran.document["ok"]) == (0, True)
    assert list(findings(ran)) == [
        "settings", "database", "migrations", "clock", "disk", "history", "audit",
        "check port", "administration port", "key file", "key", "TLS",
    ]  # fmt: skip
    assert {each["state"] for each in findings(ran).values()} <= {"ok", "warning"}
    assert re.search(r"holds \d+ rights", findings(ran)["key"]["message"])


def test_mail_server_is_signed_in_to(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server() as server:
        monkeypatch.setenv("AUTHZ_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("AUTHZ_SMTP_PORT", str(server.port))
        monkeypatch.setenv("AUTHZ_SMTP_TLS", "none")
        monkeypatch.setenv("AUTHZ_MAIL_FROM", "access@app.example")
        monkeypatch.setenv("AUTHZ_PUBLIC_URL", "https://app.example/join")
        assert findings(doctor("-o", "json"))["mail"]["state"] == "ok"
    assert "did not let us in" in the_problem(doctor("-o", "json"), "mail")


def test_person_reads_a_mark_and_what_to_do_on_each_line(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, deployment: Trial
) -> None:
    ran = doctor()
    assert ran.code == 0
    assert "✓ database: sqlite:///" in ran.out
    assert "no problem found" in ran.err
    monkeypatch.setenv("AUTHZ_ADMIN_PORT", "1")
    ran = doctor()
    assert ran.code == 1
    assert "✗ administration port: no server can be reached at 127.0.0.1:1" in ran.out
    assert "    do: start the server" in ran.out
    assert "1 problem" in ran.err


def test_doctor_says_no_key(doctor: Callable[..., Ran], deployment: Trial) -> None:
    ran = doctor("-o", "json")
    assert deployment.key.rpartition("_")[2] not in ran.out + ran.err


def test_invalid_setting_is_named(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHZ_CHECK_THREADS", "none")
    assert "AUTHZ_CHECK_THREADS" in the_problem(doctor("-o", "json"), "settings")


def test_database_that_is_not_there_is_not_made(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "authz.db"
    monkeypatch.setenv("AUTHZ_DATABASE_URL", f"sqlite:///{file}")
    assert str(file) in the_problem(doctor("-o", "json"), "database")
    assert not file.parent.exists()


def test_postgres_that_does_not_answer_is_a_problem_without_its_password(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHZ_DATABASE_URL", "postgresql://me:s3cret@127.0.0.1:1/authz")
    ran = doctor("-o", "json")
    assert "Connection refused" in the_problem(ran, "database").replace("connection", "Connection")
    assert "s3cret" not in ran.out


def test_missing_migrations_are_named(doctor: Callable[..., Ran], own_database: Path) -> None:
    spoil(own_database, "DELETE FROM alembic_version")
    assert "not applied: " in the_problem(doctor("-o", "json"), "migrations")


def test_postgres_is_looked_over_as_well(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    monkeypatch.setenv("AUTHZ_DATABASE_URL", postgres_url)
    ran = doctor("-o", "json")
    assert "not applied: " in the_problem(ran, "migrations")
    assert findings(ran)["clock"]["state"] == "ok"
    assert "disk" not in findings(ran)


def test_clock_that_is_off_is_found(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = "SELECT (julianday('now') - 2440587.5) * 86400 + 90"
    monkeypatch.setitem(store_database._NOW, "sqlite", ahead)
    assert "+90.0 s" in the_problem(doctor("-o", "json"), "clock")


@pytest.mark.parametrize(("free", "state"), [(10**7, "problem"), (10**9, "warning")])
def test_disk_that_fills_up_is_found(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    ran = doctor("-o", "json")
    assert findings(ran)["disk"]["state"] == state
    assert ran.code == (state == "problem")


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        ("UPDATE audit_entry SET entry = replace(entry, 'DONE', 'NONE') WHERE seq = 2", 2),
        ("DELETE FROM audit_entry WHERE seq = 2", 2),
        ("DELETE FROM audit_entry WHERE seq = 1", 1),
        ("UPDATE audit_entry SET hash = '00' WHERE seq = 1", 1),
    ],
)
def test_audit_that_was_changed_is_found(
    doctor: Callable[..., Ran], own_database: Path, damage: str, broken: int
) -> None:
    spoil(own_database, damage)
    said = the_problem(doctor("-o", "json"), "audit")
    assert said.startswith(f"entry {broken} of the chain `system`")


def test_only_the_last_entries_are_read_of_a_long_chain(
    doctor: Callable[..., Ran], own_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_database, "_ENTRIES", 2)
    spoil(own_database, "DELETE FROM audit_entry WHERE seq = 1")
    told = findings(doctor("-o", "json"))["audit"]
    assert (told["state"], told["message"]) == ("ok", "the last 2 entries of `system` are whole")


def test_server_that_is_not_there_is_found(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHZ_CHECK_PORT", "1")
    ran = doctor("-o", "json")
    assert "127.0.0.1:1" in the_problem(ran, "check port")
    assert findings(ran)["key"]["state"] == "warning"


def test_metrics_that_do_not_answer_are_found(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHZ_METRICS_PORT", "1")
    assert "127.0.0.1:1/metrics" in the_problem(doctor("-o", "json"), "metrics port")


def test_key_file_that_others_read_is_found(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "operator.key").chmod(0o644)
    monkeypatch.setenv("AUTHZ_KEY_FILE", str(tmp_path / "operator.key"))
    assert "0644" in the_problem(doctor("-o", "json"), "key file")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (write(KeyKind.APP, "key-none", "nothing"), "unknown, revoked, expired"),
        ("something", "not of the form"),
        ("two words", "holds no key"),
    ],
)
def test_key_that_is_no_good_is_found(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, key: str, said: str
) -> None:
    monkeypatch.setenv("AUTHZ_KEY", key)
    ran = doctor("-o", "json")
    assert said in the_problem(ran, "key")
    assert key not in ran.out


def test_key_without_the_right_to_ask_is_accepted_all_the_same(
    authz: Authz, doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = authz("keys", "create", "reader", "--role", "authz.auditor", "-o", "json").document
    monkeypatch.setenv("AUTHZ_KEY", made["credential"])
    ran = doctor("-o", "json")
    assert ran.code == 0
    assert "is accepted" in findings(ran)["key"]["message"]


def signed(folder: Path, days: int) -> tuple[Path, Path]:
    """Make a self-signed certificate that ends in so many days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authz")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    valid = builder.not_valid_before(now - timedelta(days=100))
    ends = now + timedelta(days=days, hours=1)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = valid.not_valid_after(ends).add_extension(here, False).sign(key, hashes.SHA256())
    form, encrypted = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    folder.mkdir()
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encrypted))
    files[1].chmod(0o600)
    return files


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [
        (30, "ok", "it ends in 30 days"),
        (3, "warning", "it ends in 3 days"),
        (-1, "problem", "certificate has expired"),
    ],
)
def test_certificate_is_looked_at_before_it_ends(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    days: int, state: str, said: str,
) -> None:  # fmt: skip
    certificate, key = signed(tmp_path / "tls", days)
    monkeypatch.setenv("AUTHZ_TLS_CERT", str(certificate))
    monkeypatch.setenv("AUTHZ_TLS_KEY", str(key))
    ran = doctor("-o", "json")
    found = findings(ran)["TLS"]
    assert (found["state"], ran.code) == (state, int(state == "problem"))
    assert said in found["message"]


def test_key_of_another_certificate_is_found(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUTHZ_TLS_CERT", str(signed(tmp_path / "one", 30)[0]))
    monkeypatch.setenv("AUTHZ_TLS_KEY", str(signed(tmp_path / "other", 30)[1]))
    assert "key values mismatch" in the_problem(doctor("-o", "json"), "TLS")


def test_tls_files_that_are_missing_open_or_empty_are_found(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate, key = signed(tmp_path / "tls", 30)
    monkeypatch.setenv("AUTHZ_TLS_CERT", str(certificate))
    assert "AUTHZ_TLS_CERT is set and AUTHZ_TLS_KEY is not" in the_problem(
        doctor("-o", "json"), "TLS"
    )
    monkeypatch.setenv("AUTHZ_TLS_KEY", str(key))
    key.chmod(0o644)
    assert "0644" in the_problem(doctor("-o", "json"), "TLS key")
    key.chmod(0o600)
    empty = tmp_path / "empty.pem"
    empty.touch()
    monkeypatch.setenv("AUTHZ_TLS_CLIENT_CA", str(empty))
    assert the_problem(doctor("-o", "json"), "TLS client CA")
    monkeypatch.setenv("AUTHZ_TLS_CLIENT_CA", str(certificate))
    assert doctor("-o", "json").code == 0


def test_server_with_tls_is_looked_over_through_tls(
    authz: Authz, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate, key = signed(tmp_path / "tls", 30)
    with serving(tmp_path, tls_cert=certificate, tls_key=key, metrics_port=0) as served:
        service = served.service
        assert service.metrics_port is not None
        for name, value in {
            "DATABASE_URL": f"sqlite:///{tmp_path}/authz.db",
            "KEY_FILE": tmp_path / "operator.key",
            "CHECK_PORT": service.check_port.number,
            "ADMIN_PORT": service.admin_port.number,
            "METRICS_PORT": service.metrics_port.number,
            "TLS_CERT": certificate,
            "TLS_KEY": key,
            "TLS_CA": certificate,
        }.items():
            monkeypatch.setenv(f"AUTHZ_{name}", str(value))
        ran = authz("doctor", "-o", "json")
        assert ran.code == 0, ran.out
        assert findings(ran)["metrics port"]["state"] == "ok"
        monkeypatch.delenv("AUTHZ_TLS_CA")
        assert findings(authz("doctor", "-o", "json"))["check port"]["state"] == "problem"


def test_plaintext_beyond_this_machine_is_told(
    doctor: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHZ_HOST", "0.0.0.0")
    assert "keys would travel in the clear" in the_problem(doctor("-o", "json"), "TLS")
    monkeypatch.setenv("AUTHZ_PLAINTEXT", "allow")
    ran = doctor("-o", "json")
    assert (ran.code, findings(ran)["TLS"]["state"]) == (0, "warning")
