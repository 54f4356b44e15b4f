"""What the CLI sends, how often, and what it makes of the answers."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from authz_service.gen.authz.v1 import (
    authorization_pb2,
    key_pb2,
    role_grant_pb2,
    subscription_pb2,
    tenant_pb2,
)
from tests.commands import Authz, authz_command
from tests.services import SERVICES

authz = pytest.fixture(authz_command)

Handler = Callable[[Any, grpc.ServicerContext], Any]


class FakeServer:
    """Answers what a test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Handler | Any] = {}
        self.asked: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self.remaining: list[float | None] = []

    def handle(self, rpc: str, request: Any, context: grpc.ServicerContext) -> Any:
        copy = type(request)()
        copy.CopyFrom(request)
        self.asked.append(copy)
        self.metadata.append(dict(context.invocation_metadata()))
        self.remaining.append(context.time_remaining())
        answer = self.answers[rpc]
        return answer(request, context) if callable(answer) else answer


def answering(service: ServiceDescriptor, fake: FakeServer) -> grpc.GenericRpcHandler:
    """Make the handler of a service all of whose RPCs the fake answers."""
    handlers = {
        method.name: grpc.unary_unary_rpc_method_handler(
            partial(fake.handle, method.name),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
        for method in service.methods
    }
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, authz: Authz) -> Iterator[FakeServer]:
    """Serve a fake on both ports' services, and let the CLI's settings name it."""
    made = FakeServer()
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([answering(service, made) for service in SERVICES.values()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("AUTHZ_CHECK_PORT", str(port))
    monkeypatch.setenv("AUTHZ_ADMIN_PORT", str(port))
    monkeypatch.setenv("AUTHZ_KEY", "authz_1_secret")
    yield made
    server.stop(None).wait()


def refusal(
    code: grpc.StatusCode, reason: str, message: str, field: str = ""
) -> Callable[[Any, grpc.ServicerContext], None]:
    """Refuse as the server does."""
    details = [Packed(), *([Packed()] if field else [])]
    details[0].Pack(ErrorInfo(reason=reason, domain="authz.v1", metadata={"tenant": "acme"}))
    if field:
        violation = BadRequest.FieldViolation(field=field, description=message)
        details[1].Pack(BadRequest(field_violations=[violation]))
    status = Status(code=code.value[0], message=message, details=details)
    return lambda _, context: context.abort_with_status(rpc_status.to_status(status))


TENANT = tenant_pb2.Tenant(
    id="acme", display_name="[bold]Acme[/]", state=tenant_pb2.TENANT_STATE_ACTIVE, tier="pro"
)


def test_every_call_carries_the_key_and_a_deadline(authz: Authz, fake: FakeServer) -> None:
    fake.answers["GetTenant"] = tenant_pb2.GetTenantResponse(tenant=TENANT, revision=7)
    assert authz("tenants", "show", "acme").code == 0
    assert fake.metadata[0]["authorization"] == "Bearer authz_1_secret"
    # gRPC rounds the ten seconds up by as much as a tenth on the wire.
    remaining = fake.remaining[0]
    assert remaining is not None
    assert 5 < remaining < 11


def test_the_key_file_is_the_default_key(
    authz: Authz, fake: FakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("AUTHZ_KEY")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "operator.key").write_text("authz_2_other\n")
    fake.answers["GetTenant"] = tenant_pb2.GetTenantResponse(tenant=TENANT, revision=7)
    assert authz("tenants", "show", "acme").code == 0
    assert fake.metadata[0]["authorization"] == "Bearer authz_2_other"


def test_json_is_the_answer_with_its_fields_as_named_in_proto(
    authz: Authz, fake: FakeServer
) -> None:
    fake.answers["GetTenant"] = tenant_pb2.GetTenantResponse(tenant=TENANT, revision=7)
    ran = authz("tenants", "show", "acme", "--output", "json")
    assert ran.document["tenant"]["display_name"] == "[bold]Acme[/]"
    assert ran.document["tenant"]["state"] == "TENANT_STATE_ACTIVE"
    assert ran.document["revision"] == "7"
    assert ran.err == ""


def test_people_see_words_as_they_are_and_the_revision_aside(
    authz: Authz, fake: FakeServer
) -> None:
    fake.answers["GetTenant"] = tenant_pb2.GetTenantResponse(tenant=TENANT, revision=7)
    ran = authz("tenants", "show", "acme")
    assert "[bold]Acme[/]" in ran.out
    assert "\x1b" not in ran.out
    assert "revision 7" in ran.err
    assert "revision" not in ran.out


def test_a_change_repeats_itself_under_one_request_id_while_the_server_is_away(
    authz: Authz, fake: FakeServer
) -> None:
    def away_at_first(_: Any, context: grpc.ServicerContext) -> Any:
        if len(fake.asked) < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        return subscription_pb2.SetTierResponse(tenant=TENANT, revision=8)

    fake.answers["SetTier"] = away_at_first
    assert authz("tenants", "set-tier", "acme", "pro").code == 0
    assert len(fake.asked) == 3
    assert len({request.request_id for request in fake.asked}) == 1
    assert fake.asked[0].request_id


def rate_limited(seconds: float) -> Handler:
    """Refuse as one whose caller may come back in a while."""
    details = [Packed(), Packed()]
    details[0].Pack(ErrorInfo(reason="RATE_LIMITED", domain="authz.v1"))
    retry = RetryInfo()
    retry.retry_delay.FromMilliseconds(round(seconds * 1000))
    details[1].Pack(retry)
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    status = Status(code=code.value[0], message="too many", details=details)
    return lambda _, context: context.abort_with_status(rpc_status.to_status(status))


def test_whoever_has_spent_its_rate_waits_as_told_and_asks_again(
    authz: Authz, fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("authz_service.client.connection.time.sleep", waited.append)
    answer = subscription_pb2.SetTierResponse(tenant=TENANT, revision=8)

    def spent_at_first(request: Any, context: grpc.ServicerContext) -> Any:
        return rate_limited(1.5)(request, context) if len(fake.asked) < 3 else answer

    fake.answers["SetTier"] = spent_at_first
    assert authz("tenants", "set-tier", "acme", "pro").code == 0
    assert waited == [1.5, 1.5]
    assert len({request.request_id for request in fake.asked}) == 1


def test_whoever_would_wait_too_long_is_told_so(
    authz: Authz, fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "authz_service.client.connection.time.sleep", lambda _: pytest.fail("it waits")
    )
    for seconds in (61.0, 0.0):
        fake.answers["SetTier"] = rate_limited(seconds)
        ran = authz("tenants", "set-tier", "acme", "pro", "-o", "json")
        assert (ran.code, ran.failure["reason"]) == (3, "RATE_LIMITED")


def test_two_changes_have_two_request_ids_unless_one_is_given(
    authz: Authz, fake: FakeServer
) -> None:
    fake.answers["SetTier"] = subscription_pb2.SetTierResponse(tenant=TENANT, revision=8)
    for extra in ((), (), ("--request-id", "mine")):
        assert authz("tenants", "set-tier", "acme", "pro", *extra).code == 0
    first, second, third = (request.request_id for request in fake.asked)
    assert first != second
    assert third == "mine"


def test_a_dry_run_is_sent_as_one_and_says_so(authz: Authz, fake: FakeServer) -> None:
    fake.answers["SetTier"] = subscription_pb2.SetTierResponse(tenant=TENANT, revision=8)
    ran = authz("tenants", "set-tier", "acme", "pro", "--dry-run")
    assert fake.asked[0].validate_only
    assert "nothing was changed" in ran.err


def test_a_refusal_exits_3_with_reason_message_field_and_what_to_do(
    authz: Authz, fake: FakeServer
) -> None:
    fake.answers["GetTenant"] = refusal(
        grpc.StatusCode.NOT_FOUND, "TENANT_NOT_FOUND", "there is no tenant 'acme'", "tenant"
    )
    ran = authz("tenants", "show", "acme")
    assert ran.code == 3
    for part in ("TENANT_NOT_FOUND", "there is no tenant 'acme'", "field: tenant", "authz tenants"):
        assert part in ran.err
    failure = authz("tenants", "show", "acme", "-o", "json").failure
    assert failure["code"] == "NOT_FOUND"
    assert failure["reason"] == "TENANT_NOT_FOUND"
    assert failure["field"] == "tenant"
    assert failure["details"] == {"tenant": "acme"}


def test_a_database_that_is_away_is_a_refusal_not_an_unreachable_server(
    authz: Authz, fake: FakeServer
) -> None:
    fake.answers["SetTier"] = refusal(
        grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", "the database does not answer"
    )
    ran = authz("tenants", "set-tier", "acme", "pro")
    assert ran.code == 3
    assert "DATABASE_UNAVAILABLE" in ran.err


def test_no_answer_in_time_exits_4(authz: Authz, fake: FakeServer) -> None:
    fake.answers["GetTenant"] = lambda _, context: context.abort(
        grpc.StatusCode.DEADLINE_EXCEEDED, ""
    )
    ran = authz("tenants", "show", "acme", "--timeout", "3")
    assert ran.code == 4
    assert "3 s" in ran.err


def pages_of(number: int) -> Handler:
    """Serve `number` tenants in pages of the wanted size, of 400 at most."""

    def handler(request: Any, _: grpc.ServicerContext) -> Any:
        start = int(request.page_token or 0)
        end = min(number, start + min(request.page_size or 100, 400))
        return tenant_pb2.ListTenantsResponse(
            tenants=[tenant_pb2.Tenant(id=f"t{i}") for i in range(start, end)],
            next_page_token=str(end) if end < number else "",
            revision=9,
        )

    return handler


def test_a_list_is_fetched_to_its_end(authz: Authz, fake: FakeServer) -> None:
    fake.answers["ListTenants"] = pages_of(1001)
    ran = authz("tenants", "list", "--tier", "pro", "--output", "json")
    assert [tenant["id"] for tenant in ran.document["tenants"]] == [f"t{i}" for i in range(1001)]
    assert ran.document["next_page_token"] == ""
    assert {request.tier for request in fake.asked} == {"pro"}


def test_a_list_cut_by_limit_says_that_there_is_more(authz: Authz, fake: FakeServer) -> None:
    fake.answers["ListTenants"] = pages_of(1001)
    ran = authz("tenants", "list", "--limit", "450")
    assert len(ran.out.splitlines()) == 451
    assert "there are more" in ran.err
    assert "there are more" not in authz("tenants", "list", "--limit", "1001").err


def test_a_wide_table_is_neither_cut_nor_wrapped_off_a_terminal(
    authz: Authz, fake: FakeServer
) -> None:
    tenant = tenant_pb2.Tenant(id="x" * 64, display_name="y" * 200, tier="z" * 64)
    fake.answers["ListTenants"] = tenant_pb2.ListTenantsResponse(tenants=[tenant])
    header, line = authz("tenants", "list").out.splitlines()
    assert header.split() == ["TENANT", "STATE", "TIER", "NAME"]
    assert line.split() == ["x" * 64, "unspecified", "z" * 64, "y" * 200]


@pytest.mark.parametrize(("allowed", "code"), [(True, 0), (False, 1)])
def test_check_exits_with_its_answer(
    authz: Authz, fake: FakeServer, allowed: bool, code: int
) -> None:
    fake.answers["Check"] = authorization_pb2.CheckResponse(
        allowed=allowed,
        reason=authorization_pb2.DECISION_REASON_ROLE_MISSING,
        reason_class=authorization_pb2.REASON_CLASS_NOT_PERMITTED,
        revision=3,
    )
    asked = ("check", "acme", "user:alice", "a:b", "--scope", "p:1", "--min-revision", "3")
    ran = authz(*asked)
    assert ran.code == code
    assert ("allowed" if allowed else "ROLE_MISSING") in ran.out
    assert fake.asked[0] == authorization_pb2.CheckRequest(
        tenant="acme", subject="user:alice", permission="a:b", scope="p:1", min_revision=3
    )
    document = authz(*asked, "-o", "json")
    assert document.code == code
    assert document.document["allowed"] is allowed


def test_check_can_ask_about_a_limit(authz: Authz, fake: FakeServer) -> None:
    fake.answers["Check"] = authorization_pb2.CheckResponse(allowed=True)
    limit = ("--limit", "projects", "--used", "3", "--quantity", "0")
    authz("check", "acme", "user:alice", "a:b", *limit)
    assert fake.asked[0].usage == authorization_pb2.Usage(limit="projects", used=3, quantity=0)


def test_a_grant_is_sent_with_its_window_source_and_scope(authz: Authz, fake: FakeServer) -> None:
    fake.answers["GrantRole"] = lambda request, _: role_grant_pb2.GrantRoleResponse(
        role_grant=request.role_grant, revision=4
    )
    ran = authz(
        "grant", "acme", "user:alice", "editor", "--scope", "project:42", "--from", "2026-12-01",
        "--until", "2027-01-01T00:00:00Z", "--source", "contract", "--reason", "project",
    )  # fmt: skip
    assert ran.code == 0
    sent = fake.asked[0].role_grant
    assert sent.valid_from.ToJsonString() == "2026-12-01T00:00:00Z"
    assert sent.valid_until.ToJsonString() == "2027-01-01T00:00:00Z"
    assert (sent.source, sent.scope) == (role_grant_pb2.GRANT_SOURCE_CONTRACT, "project:42")
    assert "2026-12-01 00:00 to 2027-01-01 00:00" in ran.out


def test_a_grant_without_a_window_is_sent_without_one(authz: Authz, fake: FakeServer) -> None:
    fake.answers["GrantRole"] = role_grant_pb2.GrantRoleResponse()
    authz("grant", "acme", "user:alice", "editor")
    assert not fake.asked[0].role_grant.HasField("valid_from")
    assert not fake.asked[0].role_grant.HasField("valid_until")


@pytest.mark.parametrize(
    ("text", "subject", "roles"),
    [
        ("user:alice", "user:alice", []),
        ("user:alice=admin", "user:alice", ["admin"]),
        ("user:alice=admin,acme/clerk", "user:alice", ["admin", "acme/clerk"]),
        ("user:a=b=admin", "user:a=b", ["admin"]),
        ("user:a=b=", "user:a=b", []),
    ],
)
def test_first_members_come_with_their_roles(
    authz: Authz, fake: FakeServer, text: str, subject: str, roles: list[str]
) -> None:
    fake.answers["OnboardTenant"] = tenant_pb2.OnboardTenantResponse(tenant=TENANT)
    authz("tenants", "onboard", "acme", "--tier", "pro", "--member", text)
    member = fake.asked[0].members[0]
    assert (member.subject, list(member.roles)) == (subject, roles)


def test_a_new_key_is_shown(authz: Authz, fake: FakeServer) -> None:
    key = key_pb2.Key(id="key-1", display_name="billing", roles=["authz.checker"])
    fake.answers["CreateKey"] = key_pb2.CreateKeyResponse(key=key, credential="authz_key-1_x")
    ran = authz("keys", "create", "billing", "--role", "authz.checker")
    assert ran.out.splitlines()[-1].split() == ["key", "authz_key-1_x"]
    assert "shown this once" in ran.err


def test_a_key_whose_first_answer_was_lost_is_said_to_be_lost(
    authz: Authz, fake: FakeServer
) -> None:
    fake.answers["CreateKey"] = key_pb2.CreateKeyResponse(key=key_pb2.Key(id="key-1"))
    assert (
        "authz keys revoke key-1"
        in authz("keys", "create", "billing", "--role", "authz.checker").out
    )


def test_a_port_without_the_service_is_told_from_a_refusal(authz: Authz, fake: FakeServer) -> None:
    fake.answers["GetTenant"] = lambda _, context: context.abort(
        grpc.StatusCode.UNIMPLEMENTED, "Method not found!"
    )
    ran = authz("tenants", "show", "acme")
    assert ran.code == 3
    assert "right port" in ran.err
