"""A name outside its alphabet is refused wherever it stands, and nothing is changed."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pytest
from google.protobuf.message import Message

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import (
    exception_pb2,
    feature_pb2,
    key_pb2,
    limit_pb2,
    member_pb2,
    permission_pb2,
    role_grant_pb2,
    role_pb2,
    subscription_pb2,
    tenant_pb2,
    tier_pb2,
)
from tests.rpc.account import DENY, Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server, made, refusal
from tests.services import PUT

Build = Callable[[Account, str], Message]

WORD: Final = {
    "space": "ac me",
    "unicode": "acmé",
    "nul": "ac\x00me",
    "newline": "acme\n",
    "comma": "a,b",
    "quote": 'a"b',
    "backslash": "a\\b",
    "star": "a*",
    "parenthesis": "a(b)",
    "leading-dash": "-acme",
    "too-long": "a" * 65,
}
NAME: Final = WORD | {"colon": "a:b", "at": "a@b"}
EMPTY: Final = {"empty": ""}
UNPRINTABLE: Final = ("unicode", "nul", "newline")
SUBJECT: Final = {f"id-{kind}": f"user:{WORD[kind]}" for kind in UNPRINTABLE} | {
    "no-kind": "alice",
    "other-kind": "robot:r2",
    "no-id": "user:",
    "tab": "user:a\tb",
    "delete": "user:a\x7f",
    "id-too-long": "user:" + "a" * 256,
}
PERMISSION: Final = {f"type-{kind}": f"{bad}:view" for kind, bad in WORD.items()} | {
    "no-action": "invoices",
    "empty-action": "invoices:",
    "three-parts": "invoices:view:all",
    "upper-case": "Invoices:view",
    "slash": "invoices/view:x",
}
SCOPE: Final = {f"id-{kind}": f"project:{bad}" for kind, bad in WORD.items() if "-" not in kind} | {
    "no-id": "project",
    "five-segments": "a:1/b:2/c:3/d:4/e:5",
    "id-too-long": "project:" + "a" * 129,
    "open-end": "project:42/",
    "upper-case": "Project:42",
}
REQUEST_ID: Final = {"space": "a b", "unicode": "é", "nul": "a\x00", "too-long": "a" * 129}
ID: Final = EMPTY | {kind: WORD[kind] for kind in ("unicode", "nul", "newline")}
VALUE: Final = {kind: WORD[kind] for kind in ("space", "unicode", "nul", "comma", "quote", "star")}


def grant(field: str) -> Build:
    def build(account: Account, bad: str) -> Message:
        known = {"tenant": account.id, "subject": "user:ada", "role": "viewer"}
        return made(role_grant_pb2.GrantRoleRequest, role_grant=known | {field: bad})

    return build


def denial(field: str) -> Build:
    def build(account: Account, bad: str) -> Message:
        exception = account.exception(DENY, "invoices:view", **{field: bad})
        return exception_pb2.CreateExceptionRequest(exception=exception)

    return build


def denial_of(account: Account, bad: str) -> Message:
    return exception_pb2.CreateExceptionRequest(exception=account.exception(DENY, bad))


def member_with(account: Account, subject: str, *roles: str) -> Message:
    new = member_pb2.NewMember(subject=subject, roles=roles)
    return member_pb2.AddMemberRequest(tenant=account.id, member=new)


def role(name: str) -> Message:
    return role_pb2.UpdateRoleRequest(**PUT, role=role_pb2.Role(id=name))


def tier(account: Account, **parts: Any) -> Message:
    return tier_pb2.UpdateTierRequest(**PUT, tier=tier_pb2.Tier(**({"id": account.id} | parts)))


def limit(account: Account, name: str = "seats", unit: str = "seat") -> Message:
    return tier(account, limits=[limit_pb2.Limit(name=name, value=1, unit=unit)])


def feature(account: Account, name: str, **value: Any) -> Message:
    return tier(account, features=[feature_pb2.Feature(name=name, **value)])


def questions(account: Account, *subjects: str) -> Message:
    return checks.BatchCheckRequest(
        questions=[
            checks.Question(tenant=account.id, subject=who, permission="invoices:view")
            for who in subjects
        ]
    )


def one_of_many(account: Account, bad: str) -> Message:
    return checks.CheckPermissionsRequest(
        tenant=account.id, subject="user:ada", permissions=["invoices:view", bad]
    )


def use_of(account: Account, bad: str) -> Message:
    return checks.CheckLimitRequest(tenant=account.id, usage=checks.Usage(limit=bad))


def key_for(_: Account, bad: str) -> Message:
    return key_pb2.CreateKeyRequest(key=key_pb2.Key(roles=["authz.checker"], tenants=[bad]))


def own(request: type[Message], field: str) -> Build:
    """Fill one field with the bad name, and the others with good ones."""

    def build(account: Account, bad: str) -> Message:
        known = {"tenant": account.id, "subject": "user:ada", "permission": "invoices:view"}
        names = request.DESCRIPTOR.fields_by_name
        good = {name: value for name, value in known.items() if name in names}
        return request(**(good | {field: bad}))

    return build


def revocation(account: Account, scope: str) -> Message:
    return role_grant_pb2.RevokeRoleRequest(
        tenant=account.id, subject="user:ada", role="admin", scope=scope
    )


def opening(account: Account, bad: str) -> Message:
    return tenant_pb2.OnboardTenantRequest(tenant=f"{account.id}-2", tier=bad)


TAKERS: Final[list[tuple[str, Build, dict[str, str]]]] = [
    ("tenant", own(tenant_pb2.OnboardTenantRequest, "tenant"), NAME | EMPTY),
    ("tier", opening, NAME | EMPTY),
    ("tenant", own(tenant_pb2.GetTenantRequest, "tenant"), NAME | EMPTY),
    ("tier", own(subscription_pb2.SetTierRequest, "tier"), NAME | EMPTY),
    ("tier", own(tenant_pb2.ListTenantsRequest, "tier"), NAME),
    ("member.subject", member_with, SUBJECT | EMPTY),
    ("member.roles", lambda a, bad: member_with(a, "user:new", bad), NAME | EMPTY),
    ("subject", own(member_pb2.RemoveMemberRequest, "subject"), SUBJECT | EMPTY),
    ("subject", own(member_pb2.GetMemberRequest, "subject"), SUBJECT | EMPTY),
    ("role_grant.tenant", grant("tenant"), NAME | EMPTY),
    ("role_grant.subject", grant("subject"), SUBJECT | EMPTY),
    ("role_grant.role", grant("role"), NAME | EMPTY),
    ("role_grant.scope", grant("scope"), SCOPE),
    ("subject", own(role_grant_pb2.RevokeRoleRequest, "subject"), SUBJECT | EMPTY),
    ("role", own(role_grant_pb2.RevokeRoleRequest, "role"), NAME | EMPTY),
    ("scope", lambda a, bad: revocation(a, scope=bad), SCOPE),
    ("id", own(role_grant_pb2.GetRoleGrantRequest, "id"), ID),
    ("subject", own(role_grant_pb2.ListRoleGrantsRequest, "subject"), SUBJECT),
    ("role", own(role_grant_pb2.ListRoleGrantsRequest, "role"), NAME),
    ("tenant", own(role_pb2.ListRolesRequest, "tenant"), NAME),
    ("exception.tenant", denial("tenant"), NAME | EMPTY),
    ("exception.permissions", denial_of, PERMISSION | EMPTY),
    ("exception.subject", denial("subject"), SUBJECT),
    ("exception.scope", denial("scope"), SCOPE),
    (
        "tier",
        lambda _, bad: made(tier_pb2.UpdateTierRequest, **PUT, tier={"id": bad}),
        NAME | EMPTY,
    ),
    ("tier.features.{bad}", lambda a, bad: feature(a, bad, enabled=True), WORD | EMPTY),
    ("tier.features.sso", lambda a, bad: feature(a, "sso", text=bad), VALUE | EMPTY),
    ("tier.limits.{bad}", limit, WORD | EMPTY),
    ("tier.limits.seats.unit", lambda a, bad: limit(a, unit=bad), WORD | EMPTY),
    ("id", own(permission_pb2.GetPermissionRequest, "id"), PERMISSION | EMPTY),
    ("id", own(role_pb2.GetRoleRequest, "id"), NAME | EMPTY),
    ("id", own(tier_pb2.GetTierRequest, "id"), NAME | EMPTY),
    (
        "permission",
        lambda _, bad: made(permission_pb2.UpdatePermissionRequest, **PUT, permission={"id": bad}),
        PERMISSION | EMPTY,
    ),
    ("role", lambda _, bad: role(bad), NAME | EMPTY),
    ("role.id", lambda a, bad: role(f"{a.id}/{bad}"), NAME | EMPTY),
    ("tenant", own(checks.CheckRequest, "tenant"), NAME | EMPTY),
    ("subject", own(checks.CheckRequest, "subject"), SUBJECT | EMPTY),
    ("permission", own(checks.CheckRequest, "permission"), PERMISSION | EMPTY),
    ("scope", own(checks.CheckRequest, "scope"), SCOPE),
    ("tenant", own(checks.ExplainRequest, "tenant"), NAME | EMPTY),
    ("subject", own(checks.ExplainRequest, "subject"), SUBJECT | EMPTY),
    ("permission", own(checks.ExplainRequest, "permission"), PERMISSION | EMPTY),
    ("scope", own(checks.ExplainRequest, "scope"), SCOPE),
    ("subject", own(checks.ListSubjectPermissionsRequest, "subject"), SUBJECT | EMPTY),
    ("permission", own(checks.ListSubjectsRequest, "permission"), PERMISSION | EMPTY),
    ("tenant", own(checks.GetEntitlementsRequest, "tenant"), NAME | EMPTY),
    ("permissions", one_of_many, PERMISSION | EMPTY),
    ("questions[1].subject", lambda a, bad: questions(a, "user:ada", bad), SUBJECT | EMPTY),
    ("usage.limit", use_of, WORD | EMPTY),
    ("key.tenants", key_for, NAME | EMPTY),
    ("request_id", own(subscription_pb2.SetTierRequest, "request_id"), REQUEST_ID),
]


def takers() -> list[Any]:
    found = []
    for at, (field, build, values) in enumerate(TAKERS):
        found.append(pytest.param(field, build, values, id=f"{at}-{field}"))
    return found


@pytest.fixture(scope="module")
def acme(server: Server) -> Account:
    account = Account(server, fresh_name("identifiers"))
    account.onboard("enterprise", ada=["admin"])
    return account


@pytest.mark.sweep
@pytest.mark.parametrize(("field", "build", "values"), takers())
def test_name_outside_its_alphabet_is_refused(
    acme: Account, field: str, build: Build, values: dict[str, str]
) -> None:
    before = acme.server.footprint()
    for kind, bad in values.items():
        found = refusal(partial(acme.operator.call, build(acme, bad)))
        blamed = field.replace("{bad}", bad)
        assert (found.reason, found.field) == (ErrorReason.INVALID_IDENTIFIER, blamed), (
            kind,
            found,
        )
    assert acme.server.footprint() == before


def test_message_shows_the_name_and_the_form_that_is_expected(acme: Account) -> None:
    found = refusal(lambda: acme.ask("user:a\tb", "invoices:view"))
    assert found.message.startswith("'user:a\\tb' is not a valid subject: expected `user:<id>`")


def test_message_does_not_repeat_a_name_of_any_length(acme: Account) -> None:
    found = refusal(lambda: acme.ask("user:" + "a" * 100_000, "invoices:view"))
    assert len(found.message) < 400


@pytest.mark.parametrize(
    "subject",
    [
        "user:" + "a" * 255,
        "user:" + ",%/" * 85,
        "user:alice+test@example.com",
        "user: alice, role/admin ",
        f"user:{''.join(map(chr, range(0x20, 0x7F)))}",
        "service:x",
    ],
)
def test_subject_of_any_printable_characters_is_taken(account: Account, subject: str) -> None:
    account.onboard("enterprise")
    account.add(subject, "admin")
    account.except_(DENY, "invoices:view", subject=subject)
    account.grant(subject, "viewer", "/".join(["project:" + "p" * 128] * 4))
    assert account.may(subject, "team:manage")
    assert account.reason(subject, "invoices:view") == "DENIED_BY_EXCEPTION"
    assert account.explain(subject, "team:manage").allowed


def test_name_of_the_longest_length_is_taken(server: Server) -> None:
    name = fresh_name("longest")
    account = Account(server, name + "x" * (64 - len(name)))
    account.onboard("free", ada=["admin"])
    account.put_role("r" * 64, "invoices:view")
    account.add("emil", f"{account.id}/{'r' * 64}")
    assert account.may("emil", "invoices:view")


def test_names_that_differ_in_case_alone_are_different_names(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    assert account.reason("Ada", "invoices:view") == "NOT_A_MEMBER"
    other = Account(account.server, account.id.upper())
    assert other.reason("ada", "invoices:view") == "UNKNOWN_TENANT"
