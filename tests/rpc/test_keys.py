"""Keys: of which kind, rotated without a lost call, when last used, changed and found."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.app import door
from authz_service.domain.key import PATTERN
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2 as pb
from authz_service.gen.authz.v1 import role_pb2
from tests.rpc.account import Account, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import TIMELESS, Caller, Server, refusal, serving
from tests.rpc.test_windows import NOON, TICK, Clock
from tests.services import PUT

DAY: Final = 86_400


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(door, "now", clock)
    monkeypatch.setattr(door, "elapsed", lambda: clock() / 1_000_000)
    return clock


@pytest.fixture
def clocked(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve by a clock that the test sets."""
    with serving(tmp_path_factory.mktemp("clocked"), **TIMELESS) as started:
        yield started


def create(server: Server, *roles: str, **fields: Any) -> pb.CreateKeyResponse:
    return server.operator.keys.CreateKey(
        pb.CreateKeyRequest(key=pb.Key(roles=roles or ["authz.checker"], **fields))
    )


def rotate(server: Server, key_id: str, **fields: Any) -> pb.RotateKeyResponse:
    return server.operator.keys.RotateKey(pb.RotateKeyRequest(id=key_id, **fields))


def update(server: Server, key_id: str, **fields: Any) -> pb.Key:
    mask = FieldMask(paths=list(fields))
    request = pb.UpdateKeyRequest(key=pb.Key(id=key_id, **fields), update_mask=mask)
    return server.operator.keys.UpdateKey(request).key


def got(server: Server, key_id: str) -> pb.Key:
    return server.operator.keys.GetKey(pb.GetKeyRequest(id=key_id)).key


def listed(server: Server, **fields: Any) -> list[str]:
    request = pb.ListKeysRequest(page_size=1000, **fields)
    return [key.id for key in server.operator.keys.ListKeys(request).keys]


def is_good(server: Server, credential: str) -> bool:
    """Tell whether a caller is known by the credential, with or without the right to ask."""
    request = checks.CheckRequest(tenant="nowhere", subject="user:a", permission="invoices:view")
    check = partial(server.caller(credential).checks.Check, request)
    try:
        check()
    except grpc.RpcError:
        reason = refusal(check).reason
        assert reason in (ErrorReason.CREDENTIALS_INVALID, ErrorReason.PERMISSION_DENIED)
        return reason == ErrorReason.PERMISSION_DENIED
    return True


@pytest.mark.parametrize(
    ("role", "word", "kind"),
    [
        ("authz.checker", "app", pb.KEY_KIND_APP),
        ("authz.auditor", "app", pb.KEY_KIND_APP),
        ("authz.provisioner", "job", pb.KEY_KIND_JOB),
        ("authz.operator", "op", pb.KEY_KIND_OPERATOR),
    ],
)
def test_key_is_of_the_kind_that_its_roles_make_it(
    any_server: Server, role: str, word: str, kind: pb.KeyKind.ValueType
) -> None:
    made = create(any_server, role)
    assert PATTERN.fullmatch(made.credential)
    assert made.credential.startswith(f"authz_{word}_{made.key.id}_")
    assert made.key.kind == kind
    assert got(any_server, made.key.id) == made.key
    assert is_good(any_server, made.credential)


def test_the_first_key_is_an_operators(server: Server) -> None:
    assert server.operator_key.startswith("authz_op_")
    name = server.operator_key.split("_")[2]
    assert got(server, name).kind == pb.KEY_KIND_OPERATOR


def test_key_of_a_chosen_kind_says_so(server: Server) -> None:
    made = create(server, "authz.provisioner", kind=pb.KEY_KIND_SCIM)
    assert made.credential.startswith("authz_scim_")
    assert made.key.kind == pb.KEY_KIND_SCIM


@pytest.mark.parametrize("kind", [pb.KEY_KIND_APP, pb.KEY_KIND_JOB, pb.KEY_KIND_SCIM])
def test_key_that_makes_keys_cannot_look_harmless(
    server: Server, kind: pb.KeyKind.ValueType
) -> None:
    request = pb.CreateKeyRequest(key=pb.Key(roles=["authz.checker", "authz.operator"], kind=kind))
    server.refuses(request, ErrorReason.KEY_KIND_CONFLICT, at="key.kind", says="kind operator")
    harmless = create(server, "authz.checker", kind=kind).key
    wider = pb.UpdateKeyRequest(
        key=pb.Key(id=harmless.id, roles=["authz.operator"]), update_mask=FieldMask(paths=["roles"])
    )
    server.refuses(wider, ErrorReason.KEY_KIND_CONFLICT, at="key.roles")


def test_kind_that_nobody_knows_is_refused(server: Server) -> None:
    request = pb.CreateKeyRequest(key=pb.Key(roles=["authz.checker"], kind=99))  # type: ignore[arg-type]
    server.refuses(request, ErrorReason.INVALID_FIELD, at="key.kind")


def test_key_has_a_thousand_rights_at_most(account: Account) -> None:
    account.onboard("free")
    tenants = [account.id, *(f"{account.id}-{n}" for n in range(333))]
    for tenant in tenants[1:]:
        Account(account.server, tenant).onboard("free")
    roles = ["authz.checker", "authz.auditor", "authz.provisioner"]
    request = pb.CreateKeyRequest(key=pb.Key(roles=roles, tenants=tenants))
    account.server.refuses(request, ErrorReason.BATCH_TOO_LARGE, at="key.tenants", says="1002")
    made = create(account.server, *roles, tenants=tenants[:333]).key
    assert len(made.tenants) == 333
    wider = pb.UpdateKeyRequest(
        key=pb.Key(id=made.id, tenants=tenants), update_mask=FieldMask(paths=["tenants"])
    )
    account.server.refuses(wider, ErrorReason.BATCH_TOO_LARGE, at="key.tenants")


def test_rotated_key_has_two_secrets_one_id_and_the_same_rights(any_server: Server) -> None:
    made = create(any_server, "authz.checker", "authz.auditor", display_name="backend")
    rotated = rotate(any_server, made.key.id, reason="every quarter")
    assert rotated.credential != made.credential
    assert rotated.credential.startswith(f"authz_app_{made.key.id}_")
    assert is_good(any_server, made.credential)
    assert is_good(any_server, rotated.credential)
    assert rotated.key.roles == made.key.roles
    assert rotated.key.display_name == "backend"
    assert got(any_server, made.key.id).previous_expire_time == rotated.key.previous_expire_time


@pytest.mark.parametrize(
    ("overlap", "seconds"),
    [(None, DAY), (Duration(seconds=30 * DAY), 30 * DAY)],
    ids=["a-day-by-default", "thirty-days-at-most"],
)
def test_old_secret_ends_on_the_instant_with_nothing_done(
    clocked: Server, clock: Clock, overlap: Duration | None, seconds: int
) -> None:
    made = create(clocked)
    rotated = rotate(clocked, made.key.id, overlap=overlap)
    assert rotated.key.previous_expire_time == timestamp(NOON + seconds)
    clock.seconds = NOON + seconds - TICK
    assert is_good(clocked, made.credential)
    clock.seconds = NOON + seconds
    assert not is_good(clocked, made.credential)
    assert is_good(clocked, rotated.credential)
    assert not got(clocked, made.key.id).HasField("previous_expire_time")


def test_rotating_without_overlap_ends_the_old_secret_at_once(any_server: Server) -> None:
    made = create(any_server)
    rotated = rotate(any_server, made.key.id, overlap=Duration())
    assert not is_good(any_server, made.credential)
    assert is_good(any_server, rotated.credential)
    assert not rotated.key.HasField("previous_expire_time")


def test_rotating_again_ends_the_oldest_secret(any_server: Server) -> None:
    made = create(any_server)
    second, third = (rotate(any_server, made.key.id).credential for _ in range(2))
    good = [is_good(any_server, each) for each in (made.credential, second, third)]
    assert good == [False, True, True]


@pytest.mark.parametrize(
    "overlap",
    [Duration(seconds=30 * DAY, nanos=1000), Duration(seconds=-1), Duration(nanos=-1000)],
    ids=["longer", "a-second-less-than-none", "less-than-none"],
)
def test_overlap_outside_thirty_days_is_refused(server: Server, overlap: Duration) -> None:
    request = pb.RotateKeyRequest(id=create(server).key.id, overlap=overlap)
    server.refuses(request, ErrorReason.INVALID_FIELD, at="overlap", says="0 to 30 days")


def test_previous_secret_can_be_ended_at_once(any_server: Server) -> None:
    made = create(any_server)
    rotated = rotate(any_server, made.key.id)
    request = pb.RevokeKeyRequest(id=made.key.id, previous_only=True, reason="all moved")
    left = any_server.operator.keys.RevokeKey(request).key
    assert not left.HasField("previous_expire_time")
    assert not is_good(any_server, made.credential)
    assert is_good(any_server, rotated.credential)
    any_server.refuses(
        request, ErrorReason.KEY_NOT_ROTATED, at="previous_only", says="one good secret"
    )


def test_previous_secret_that_ended_by_itself_is_not_there_to_end(
    clocked: Server, clock: Clock
) -> None:
    made = create(clocked).key
    rotate(clocked, made.id)
    clock.seconds = NOON + DAY
    request = pb.RevokeKeyRequest(id=made.id, previous_only=True)
    clocked.refuses(request, ErrorReason.KEY_NOT_ROTATED, at="previous_only")


def test_revoked_key_loses_both_secrets(any_server: Server) -> None:
    made = create(any_server)
    rotated = rotate(any_server, made.key.id)
    any_server.operator.keys.RevokeKey(pb.RevokeKeyRequest(id=made.key.id))
    assert not is_good(any_server, made.credential)
    assert not is_good(any_server, rotated.credential)


def test_repeated_rotation_is_one_and_shows_its_secret_once(any_server: Server) -> None:
    made = create(any_server)
    request_id = fresh_name("rotation")
    first = rotate(any_server, made.key.id, request_id=request_id)
    again = rotate(any_server, made.key.id, request_id=request_id)
    assert (again.key, again.revision, again.credential) == (first.key, first.revision, "")
    assert is_good(any_server, first.credential)
    assert is_good(any_server, made.credential)


def test_validated_rotation_shows_no_secret_and_changes_none(any_server: Server) -> None:
    made = create(any_server)
    before = any_server.footprint()
    told = rotate(any_server, made.key.id, validate_only=True)
    assert told.credential == ""
    assert told.key.HasField("previous_expire_time")
    assert any_server.footprint() == before


def test_expired_key_is_not_rotated_but_can_be_prolonged_first(
    clocked: Server, clock: Clock
) -> None:
    made = create(clocked, expire_time=timestamp(NOON + 60))
    clock.seconds = NOON + 60
    request = pb.RotateKeyRequest(id=made.key.id)
    clocked.refuses(request, ErrorReason.KEY_EXPIRED, at="id", says="later expire_time")
    update(clocked, made.key.id, expire_time=timestamp(NOON + 120))
    assert is_good(clocked, made.credential)
    assert is_good(clocked, rotate(clocked, made.key.id).credential)


def test_key_is_changed_where_the_mask_says_and_nowhere_else(any_server: Server) -> None:
    account = Account(any_server, fresh_name("masked"))
    account.onboard("free")
    made = create(any_server, "authz.checker", display_name="backend")
    named = update(any_server, made.key.id, display_name="frontend")
    assert (named.display_name, list(named.roles)) == ("frontend", ["authz.checker"])
    wider = update(
        any_server, made.key.id, roles=["authz.checker", "authz.auditor"], tenants=[account.id]
    )
    assert list(wider.roles) == ["authz.auditor", "authz.checker"]
    assert list(wider.tenants) == [account.id]
    ended = update(any_server, made.key.id, expire_time=timestamp(4_000_000_000))
    assert ended.expire_time == timestamp(4_000_000_000)
    open_again = update(any_server, made.key.id, expire_time=None, tenants=[])
    assert not open_again.HasField("expire_time")
    assert list(open_again.roles) == ["authz.auditor", "authz.checker"]
    assert not open_again.tenants
    assert got(any_server, made.key.id).display_name == "frontend"


def test_changed_rights_are_the_keys_rights(any_server: Server) -> None:
    account = Account(any_server, fresh_name("rights"))
    account.onboard("free", ada=["admin"])
    made = create(any_server, "authz.checker")
    caller = any_server.caller(made.credential)
    request = pb.ListKeysRequest()
    assert refusal(lambda: caller.keys.ListKeys(request)).reason == "PERMISSION_DENIED"
    update(any_server, made.key.id, roles=["authz.auditor"])
    caller.keys.ListKeys(request)
    asked = checks.CheckRequest(tenant=account.id, subject="user:ada", permission="invoices:view")
    assert refusal(lambda: caller.checks.Check(asked)).reason == "PERMISSION_DENIED"
    update(any_server, made.key.id, roles=["authz.checker"], tenants=[account.id])
    assert caller.checks.Check(asked).allowed
    asked.tenant = "nowhere"
    assert refusal(lambda: caller.checks.Check(asked)).reason == "PERMISSION_DENIED"


def test_change_that_changes_nothing_makes_no_revision(server: Server) -> None:
    made = create(server, "authz.checker", display_name="same")
    before = server.revision
    update(server, made.key.id, display_name="same", roles=["authz.checker"])
    assert server.revision == before


WRONG_UPDATES: Final[dict[str, tuple[dict[str, Any], ErrorReason, str]]] = {
    "no-mask": ({}, ErrorReason.INVALID_FIELD, "update_mask"),
    "unknown": ({"update_mask": ["secret"]}, ErrorReason.INVALID_FIELD, "update_mask"),
    "no-roles": ({"update_mask": ["roles"]}, ErrorReason.INVALID_FIELD, "key.roles"),
    "unknown-role": (
        {"update_mask": ["roles"], "roles": ["nobody"]}, ErrorReason.ROLE_NOT_FOUND, "key.roles"
    ),
    "product-role": (
        {"update_mask": ["roles"], "roles": ["viewer"]},
        ErrorReason.ROLE_NOT_ASSIGNABLE,
        "key.roles",
    ),
    "unknown-tenant": (
        {"update_mask": ["tenants"], "tenants": ["nowhere"]}, ErrorReason.TENANT_NOT_FOUND,
        "key.tenants",
    ),
    "system": (
        {"update_mask": ["tenants"], "tenants": [SYSTEM]},
        ErrorReason.TENANT_RESERVED,
        "key.tenants",
    ),
    "past": (
        {"update_mask": ["expire_time"], "expire_time": timestamp(1)}, ErrorReason.INVALID_WINDOW,
        "key.expire_time",
    ),
    "long-name": (
        {"update_mask": ["display_name"], "display_name": "x" * 201}, ErrorReason.INVALID_FIELD,
        "key.display_name",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "reason", "at"), WRONG_UPDATES.values(), ids=WRONG_UPDATES)
def test_wrong_update_is_refused(
    server: Server, fields: dict[str, Any], reason: ErrorReason, at: str
) -> None:
    mask = FieldMask(paths=fields.get("update_mask", ()))
    rest = {name: value for name, value in fields.items() if name != "update_mask"}
    request = pb.UpdateKeyRequest(key=pb.Key(id=create(server).key.id, **rest), update_mask=mask)
    server.refuses(request, reason, at=at)


@pytest.mark.parametrize("kind", ["Get", "Update", "Rotate", "Revoke"])
def test_unknown_key_and_malformed_id_are_told_apart(server: Server, kind: str) -> None:
    def request(key_id: str) -> Any:
        if kind == "Update":
            return pb.UpdateKeyRequest(key=pb.Key(id=key_id))
        return getattr(pb, f"{kind}KeyRequest")(id=key_id)

    at = "key.id" if kind == "Update" else "id"
    unknown = ErrorReason.KEY_NOT_FOUND
    server.refuses(request("key-0"), unknown, at=at, says="list the keys")
    for wrong in ("", "a b", "é", "x" * 65):
        server.refuses(request(wrong), ErrorReason.INVALID_IDENTIFIER, at=at)


def test_keys_are_found_by_role_tenant_kind_and_end(clocked: Server, clock: Clock) -> None:
    for tenant in ("acme", "globex"):
        Account(clocked, tenant).onboard("free")
    app_key = create(clocked, "authz.checker", tenants=["acme", "globex"]).key.id
    job = create(clocked, "authz.provisioner", tenants=["acme"]).key.id
    short = create(clocked, "authz.checker", expire_time=timestamp(NOON + 60)).key.id
    first = clocked.operator_key.split("_")[2]
    assert listed(clocked) == sorted([first, app_key, job, short])
    assert listed(clocked, role="authz.checker") == sorted([app_key, short])
    assert listed(clocked, for_tenant="acme") == sorted([app_key, job])
    assert listed(clocked, kind=pb.KEY_KIND_JOB) == [job]
    assert listed(clocked, role="authz.checker", for_tenant="globex") == [app_key]
    assert listed(clocked, expired=True) == []
    clock.seconds = NOON + 60
    assert listed(clocked, expired=True) == [short]
    assert listed(clocked, expired=False) == sorted([first, app_key, job])


def test_every_page_tells_how_many_there_are(clocked: Server) -> None:
    for _ in range(4):
        create(clocked, "authz.checker")
    request = pb.ListKeysRequest(page_size=3, role="authz.checker")
    first = clocked.operator.keys.ListKeys(request)
    request.page_token = first.next_page_token
    second = clocked.operator.keys.ListKeys(request)
    assert [(len(p.keys), p.total_size) for p in (first, second)] == [(3, 4), (1, 4)]
    assert second.next_page_token == ""
    request.role = ""
    clocked.refuses(request, ErrorReason.INVALID_PAGE_TOKEN, at="page_token")


@pytest.mark.parametrize(("field", "value"), [("role", "a b"), ("for_tenant", "a/b")])
def test_malformed_filter_is_refused(server: Server, field: str, value: str) -> None:
    request = pb.ListKeysRequest(**{field: value})  # type: ignore[arg-type]
    server.refuses(request, ErrorReason.INVALID_IDENTIFIER, at=field)


def test_last_use_is_shown_before_it_is_written_and_after_a_restart(
    clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("used")
    with serving(folder) as server:
        used, unused = create(server), create(server)
        assert not got(server, used.key.id).HasField("last_use_time")
        clock.seconds = NOON + 5
        assert is_good(server, used.credential)
        clock.seconds = NOON + 9
        assert got(server, used.key.id).last_use_time == timestamp(NOON + 5)
    with serving(folder) as server:
        assert got(server, used.key.id).last_use_time == timestamp(NOON + 5)
        assert not got(server, unused.key.id).HasField("last_use_time")
        assert listed(server, role="authz.checker", unused_since_time=timestamp(NOON + 5)) == [
            unused.key.id
        ]
        later = listed(server, role="authz.checker", unused_since_time=timestamp(NOON + 5 + TICK))
        assert later == sorted([used.key.id, unused.key.id])


def test_administration_is_a_use_and_a_refused_credential_is_none(
    clocked: Server, clock: Clock
) -> None:
    made = create(clocked, "authz.auditor")
    clock.seconds = NOON + 5
    clocked.caller(made.credential).keys.ListKeys(pb.ListKeysRequest())
    clock.seconds = NOON + 9
    assert not is_good(clocked, made.credential[:-1])
    assert got(clocked, made.key.id).last_use_time == timestamp(NOON + 5)


def test_last_use_makes_no_revision_and_no_audit_entry(clocked: Server) -> None:
    made = create(clocked)
    is_good(clocked, made.credential)
    before = clocked.footprint(), clocked.service.store.entries.copy()
    clocked.service._parts.key_use.flush()
    assert (clocked.footprint(), clocked.service.store.entries) == before


def test_last_operator_key_is_neither_revoked_nor_weakened(clocked: Server) -> None:
    name = clocked.operator_key.split("_")[2]
    wrong = [
        pb.RevokeKeyRequest(id=name),
        pb.UpdateKeyRequest(
            key=pb.Key(id=name, roles=["authz.checker"]), update_mask=FieldMask(paths=["roles"])
        ),
    ]
    for request in wrong:
        clocked.refuses(request, ErrorReason.LAST_OPERATOR_KEY, at="id", says="`authz recover`")
    other = clocked.caller(create(clocked, "authz.operator").credential)
    other.keys.RevokeKey(pb.RevokeKeyRequest(id=name))


def test_another_operator_that_has_expired_does_not_count(clocked: Server, clock: Clock) -> None:
    create(clocked, "authz.operator", expire_time=timestamp(NOON + 60))
    clock.seconds = NOON + 60
    request = pb.RevokeKeyRequest(id=clocked.operator_key.split("_")[2])
    clocked.refuses(request, ErrorReason.LAST_OPERATOR_KEY, at="id")


@pytest.fixture
def rotator(server: Server) -> Caller:
    """Make a caller that may rotate and change keys, and little else."""
    role = fresh_name("rotator")
    put = role_pb2.UpdateRoleRequest(
        **PUT,
        role=role_pb2.Role(
            id=role,
            permissions=["authz.keys:rotate", "authz.keys:update"],
            includes=["authz.checker"],
        ),
    )
    server.operator.roles.UpdateRole(put)
    return server.caller(server.new_key(role))


def test_nobody_rotates_a_key_that_opens_more_than_the_own(server: Server, rotator: Caller) -> None:
    mine, theirs = create(server, "authz.checker"), create(server, "authz.operator")
    rotator.keys.RotateKey(pb.RotateKeyRequest(id=mine.key.id))
    request = pb.RotateKeyRequest(id=theirs.key.id)
    server.refuses(request, ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS, by=rotator)


def test_nobody_prolongs_a_key_that_opens_more_than_the_own(
    server: Server, rotator: Caller
) -> None:
    made = create(server, "authz.operator", expire_time=timestamp(4_000_000_000))
    request = pb.UpdateKeyRequest(
        key=pb.Key(id=made.key.id), update_mask=FieldMask(paths=["expire_time"])
    )
    server.refuses(request, ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS, by=rotator)
    request.key.expire_time.CopyFrom(timestamp(3_000_000_000))
    rotator.keys.UpdateKey(request)
