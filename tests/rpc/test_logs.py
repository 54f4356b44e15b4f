"""The log: one line for each change, and never a key or a person's data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from authz_service.config import Settings
from authz_service.domain.decision import Question
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2, tenant_pb2
from authz_service.serving import logs
from tests.rpc.account import DENY, Account
from tests.rpc.harness import Caller, Server, refusal, serving

SOMEBODY = "alice-of-acme"
REASON = "her-illness"


class Log:
    """What is logged in a test, read back line by line."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._read = ""

    @property
    def text(self) -> str:
        self._read += self._capsys.readouterr().err
        return self._read

    def lines(self, **wanted: Any) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in found if wanted.items() <= line.items()]


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Log]:
    """Catch the log as `serve` sets it up."""
    yield Log(capsys)
    structlog.reset_defaults()


def logged(tmp_path: Path, **settings: Any) -> Any:
    logs.set_up(Settings(**settings).log_level, "json")
    tmp_path.mkdir(exist_ok=True)
    return serving(tmp_path, shadow_per_second=0, **settings)


def everything(server: Server) -> None:
    """Call so that every kind of ending is there, each about a person and with a key."""
    acme = Account(server, "acme")
    acme.onboard("professional", **{SOMEBODY: ["editor"]})
    acme.grant(SOMEBODY, "viewer", reason=REASON)
    acme.may(SOMEBODY, "invoices:view")
    acme.except_(DENY, "invoices:void", subject=f"user:{SOMEBODY}", reason=REASON)
    acme.explain(SOMEBODY, "invoices:view")
    refusal(lambda: acme.add(SOMEBODY, "viewer"))
    refusal(lambda: acme.grant(SOMEBODY, "nothing"))
    refusal(lambda: acme.ask(f"user:{SOMEBODY}é", "invoices:view"))
    wrong = server.caller(server.operator_key[:-1] + "!")
    refusal(lambda: wrong.keys.ListKeys(key_pb2.ListKeysRequest()))
    refusal(lambda: wrong.checks.Check(checks.CheckRequest(tenant="acme", subject=SOMEBODY)))
    refusal(lambda: Caller(server.checks, server.admin).keys.ListKeys(key_pb2.ListKeysRequest()))
    server.new_key("authz.checker")
    acme.remove(SOMEBODY)


@pytest.mark.parametrize("level", ["debug", "info"])
def test_no_log_of_a_run_holds_a_key_or_a_person(tmp_path: Path, log: Log, level: str) -> None:
    with logged(tmp_path, log_level=level) as server:
        everything(server)
        other = server.new_key("authz.checker")
        secrets = [key.rpartition("_")[2] for key in (server.operator_key, other)]
    assert log.lines(event="call answered")
    assert log.lines(event="call refused")
    for private in (*secrets, SOMEBODY, REASON, "Bearer"):
        assert private not in log.text


def test_change_is_one_line_with_its_caller_and_its_revision(tmp_path: Path, log: Log) -> None:
    with logged(tmp_path) as server:
        request = tenant_pb2.OnboardTenantRequest(tenant="acme", tier="free", request_id="order-17")
        revision = server.operator.tenants.OnboardTenant(request).revision
        caller = f"service:{server.operator_key.split('_')[2]}"
    (line,) = log.lines(rpc="TenantService.OnboardTenant")
    assert line.pop("call_id")
    assert line.pop("timestamp")
    assert 0 < line.pop("ms") < 60_000
    assert line == {
        "event": "call answered",
        "level": "info",
        "rpc": "TenantService.OnboardTenant",
        "code": "OK",
        "caller": caller,
        "request_id": "order-17",
        "revision": revision,
    }


def test_refused_change_is_one_line_with_code_and_reason(tmp_path: Path, log: Log) -> None:
    with logged(tmp_path) as server:
        refusal(lambda: Account(server, "nowhere").suspend())
    (line,) = log.lines(event="call refused")
    assert (line["code"], line["reason"]) == ("NOT_FOUND", "TENANT_NOT_FOUND")
    assert line["rpc"] == "TenantService.SuspendTenant"
    assert line["caller"].startswith("service:key-")
    assert line["call_id"]


def test_checks_reads_and_trials_are_logged_for_debugging_only(tmp_path: Path, log: Log) -> None:
    trial = tenant_pb2.OnboardTenantRequest(tenant="acme", tier="free", validate_only=True)
    for level, expected in (("info", 0), ("debug", 2)):
        with logged(tmp_path / level, log_level=level) as server:
            Account(server, "acme").ask("bob", "invoices:view")
            server.operator.tenants.OnboardTenant(trial)
        assert len(log.lines(level="debug", code="OK")) == expected
    assert log.lines(event="call answered", level="info") == []
    (check,) = log.lines(rpc="AuthorizationService.Check")
    assert check["reason"] == "UNKNOWN_TENANT"


def test_failure_is_logged_once_with_its_traceback_and_without_what_it_repeats(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    with logged(tmp_path) as server:

        def broken(index: Index, asked: Question, *when: object) -> None:
            raise RuntimeError(f"{asked.subject} and {server.operator_key} broke it")

        monkeypatch.setattr(server.service.explainer, "explain", broken)
        found = refusal(lambda: Account(server, "acme").explain(SOMEBODY, "invoices:view"))
        assert found.reason == "INTERNAL"
    (line,) = log.lines(event="call failed")
    assert line["level"] == "error"
    assert "in broken" in line["exception"]
    assert "RuntimeError: user:... and authz_op_key-" in line["exception"]
    assert SOMEBODY not in log.text
    assert server.operator_key not in log.text


def test_text_for_a_person_at_a_terminal_is_redacted_as_well(log: Log) -> None:
    logs.set_up("info", "text")
    try:
        raise RuntimeError(f"user:{SOMEBODY}")
    except RuntimeError:
        structlog.get_logger().exception("went wrong", key="authz_key-1_secret")
    assert "went wrong" in log.text
    assert "RuntimeError: user:..." in log.text
    assert SOMEBODY not in log.text
    assert "secret" not in log.text


def test_disagreement_with_casbin_is_logged_without_the_subject(tmp_path: Path, log: Log) -> None:
    with logged(tmp_path) as server:
        service, at = server.service, Instant(0)
        asked = Question("acme", f"user:{SOMEBODY}", "invoices:view")
        service.explainer.verify(service.replica.index, asked, at, allowed=True)
    (line,) = log.lines(level="critical")
    assert (line["tenant"], line["permission"]) == ("acme", "invoices:view")
    assert len(line["subject_sha256"]) == 16
    assert SOMEBODY not in log.text


def test_answer_stands_when_the_log_cannot_be_written(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with logged(tmp_path) as server:
        monkeypatch.setattr(logs, "answered", full)
        monkeypatch.setattr(logs, "refused", full)
        assert Account(server, "acme").onboard("free").revision == server.revision
        assert refusal(lambda: Account(server, "acme").onboard("free")).reason == "TENANT_EXISTS"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("authz_key-1_s3cr3t-x is bad", "authz_key-1_... is bad"),
        ("authz_app_key-1_s3cr3t is bad", "authz_app_key-1_... is bad"),
        ("authz_app_s3cr3t is bad", "authz_app_... is bad"),
        ("authorization: Bearer abc.def", "authorization: Bearer ..."),
        ("got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln-_x here", "got ey... here"),
        ("got eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "got ey..."),
        ("(acme, user:alice) and 'staff:bob'", "(acme, user:...) and 'staff:...'"),
        ("service:key-1 came", "service:key-1 came"),
        ("authz_invitation_s3cr3t is bad", "authz_invitation_... is bad"),
        ("to nina.x+y@mail.example.com, mail=o@x.io", "to ...@..., mail=...@..."),
        ("postgresql://me@db.example.com/authz", "postgresql://me@db.example.com/authz"),
        ("[SQL: SELECT 1]\n[parameters: ('a]b',\n 'c')]\n(Background)",
         "[SQL: SELECT 1]\n[parameters: ...]\n(Background)"),
        ("DETAIL:  Key (a)=(Jane Doe) already exists.", "DETAIL: ..."),
        ("[type=x, input_value='Jane', input_type=str]",
         "[type=x, input_value=..., input_type=str]"),
    ],
)  # fmt: skip
def test_what_drivers_repeat_is_taken_out(text: str, shown: str) -> None:
    assert logs.redacted(text) == shown


def test_values_inside_lists_and_objects_are_taken_out_too() -> None:
    event = {"event": "x", "question": {"of": ["user:a", 1, None]}, "why": ValueError("user:b")}
    plain = {"event": "x", "question": {"of": ["user:...", 1, None]}, "why": "user:..."}
    assert logs.without_secrets(None, "info", event) == plain


@pytest.mark.parametrize(
    "text",
    [
        "authz_op_key-1_secretsecret",
        "authz_key-1_secret",
        "Bearer abc",
        "bearer abc",
        "of user:ada",
        "staff:gus",
        "eyJhbGciOi.eyJzdWIiOi.c2ln",
        "DETAIL: Key",
        "ada@example.com",
        "input_value=ada, input_type=str",
        "[parameters: 1]",
    ],
)
def test_no_text_with_a_secret_passes_for_a_plain_one(text: str) -> None:
    assert logs.redacted(text) != text
    assert logs.redacted(f"call {text}") != f"call {text}"


@pytest.mark.parametrize("text", ["RoleService.GetRole", "service:key-66f", "call answered", ""])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert logs.redacted(text) == text
