"""Whatever tenant A's callers send, it changes and reveals nothing of tenant B.

Every request is sent three times: about B, about a tenant that does not exist, and for good. The
first two must be answered alike but for the names that the caller itself has sent; after all of
them B's facts, B's audit and what B's people may do are as they were.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message
from sqlalchemy import select

from authz_service.domain.tenant import SYSTEM
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import member_pb2, role_grant_pb2, role_pb2, tenant_pb2
from authz_service.store import schema
from tests.rpc.account import DENY, Account, member
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Refusal, Server, refusal, serving
from tests.rpc.issuer import AUDIENCE, Issuer, issuing
from tests.rpc.requests import CHANGES, GOOD, NEW_CENTURY, READS, WITH_PAGES, Ready, made_ready
from tests.rpc.test_actors import acting
from tests.services import PUT

SECRET: Final = "zq9xv"
"""Stands in everything of B that nobody outside B can know."""

B: Final = "globex"
NOBODY: Final = "glober"
"""As long as B's name, and nobody's."""

SHORT: Final = (
    *("ListChangesetEffects", "ListTierVersions", "ListScheduledChangesets"),
    *("ListJobs", "ListEndpoints", "ListDeliveries", "ListUnmappedPrices"),
)
"""Lists that have one item to tell here, so that there is no second page."""

SEEDS: Final = 6
STEPS: Final = 25


@dataclass(frozen=True)
class Names:
    """What tells an account's things apart, in one order for all accounts."""

    tenant: str
    grant: str
    exception: str
    invitation: str
    token: str

    def all(self) -> tuple[str, ...]:
        # The longest first: an account's name stands in the names of its roles.
        return (self.token, self.invitation, self.exception, self.grant, self.tenant)


def names_of(ready: Ready) -> Names:
    invited = ready.invited
    return Names(ready.id, ready.grant, ready.exception, invited.invitation.id, invited.token)


def unlike(text: str) -> str:
    """Make an id of the same shape that nothing has."""
    return text[:-4] + ("0000" if text[-4:] != "0000" else "1111")


def of_nobody(known: Names) -> Names:
    rest = (known.grant, known.exception, known.invitation, known.token)
    return Names(NOBODY, *map(unlike, rest))


@dataclass(frozen=True)
class Two:
    """A server in which B is, and where the callers of A try."""

    server: Server
    issuer: Issuer
    a: Ready
    b: Ready
    by: dict[str, Caller]

    @cached_property
    def names(self) -> Names:
        return names_of(self.b)

    @cached_property
    def nobody(self) -> Names:
        return of_nobody(self.names)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder: Path = tmp_path_factory.mktemp("isolation")
    with (
        issuing() as issuer,
        serving(folder, user_jwt_issuer=issuer.name, user_jwt_audience=AUDIENCE) as server,
    ):
        b = made_ready(Account(server, B)).whole()
        b.account.resume("BILLING")
        _fill(b)
        a = made_a(server)
        yield Two(server, issuer, a, b, callers(server, issuer, a))


def _fill(b: Ready) -> None:
    """Put the mark wherever B's own words stand."""
    named = tenant_pb2.UpdateTenantRequest(tenant=tenant_pb2.Tenant(id=B, display_name=SECRET))
    named.update_mask.paths.append("display_name")
    b.account.operator.call(named)
    for number in range(4):
        b.account.add(f"{SECRET}-{number}", "viewer")
        b.account.invite(f"{SECRET}-{number}@example.com", "viewer")
        b.account.grant(f"{SECRET}-{number}", "editor", f"project:{SECRET}{number}")
        b.account.put_role(f"{SECRET}-{number}", "invoices:view")
        b.account.except_(DENY, "invoices:send", subject=f"user:{SECRET}-{number}")
        heard: Any = CHANGES["IngestBillingEvent"](b)
        heard.id = f"{SECRET}-{number}"
        b.account.operator.call(heard)
    b.account.grace(NEW_CENTURY)  # the last event has ended the one before


def made_a(server: Server) -> Ready:
    """Make an account in which Ann is an admin and Val a member; of B they are none."""
    ready = made_ready(Account(server, fresh_name("isolated"))).whole()
    ready.account.resume("BILLING")
    # Users have one name in all accounts: `ada` is an admin of both.
    ready.account.add("ann", "admin")
    ready.account.add("val", "viewer")
    return ready


def callers(server: Server, issuer: Issuer, a: Ready) -> dict[str, Caller]:
    """Make everybody who may do something in A and nothing in B."""
    return {
        "authz.operator": server.caller(server.new_key("authz.operator", tenants=(a.id,))),
        "authz.auditor": server.caller(server.new_key("authz.auditor", tenants=(a.id,))),
        "authz.product": acting(server, "user:ada", tenants=(a.id,)),
        "product-of-all": acting(server, "user:ann"),
        "admin": server.caller(issuer.token("ann")),
        "member": server.caller(issuer.token("val")),
    }


def state_of_b(two: Two) -> str:
    """Digest all rows and all of the audit that are B's, whatever their table."""
    seen = sha256()
    with two.server.service.database.read() as connection:
        for table in schema.metadata.sorted_tables:
            if table in (schema.job, schema.worker):
                continue  # they go on beside calls
            rows = (repr(row) for row in connection.execute(select(table)) if _of_b(row))
            seen.update("\n".join(sorted(rows)).encode())
    return seen.hexdigest()


def _of_b(row: Any) -> bool:
    """Tell whether a row is B's: its own column or its Casbin names say so."""
    known = row._mapping
    if "tenant" in known:
        return bool(known["tenant"] == B)
    return any(str(known.get(name, "")).endswith(f"@{B}") for name in ("v0", "v1"))


Place = tuple[Message, Any, int | None]
"""A message, one of its text fields, and where in it if it is a list."""


def places(message: Any) -> Iterator[Place]:
    """Yield every place in which a request holds text, however deep."""
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None:
            if field.message_type.full_name.startswith("google."):
                continue
            parts = value if field.is_repeated else [value] if message.HasField(field.name) else []
            for part in parts:
                yield from places(part)
        elif field.type == field.TYPE_STRING:
            whole = range(len(value)) if field.is_repeated else [None]
            yield from ((message, field, at) for at in whole)


def text_at(place: Place) -> str:
    message, field, at = place
    value = getattr(message, field.name)
    return str(value if at is None else value[at])


def put(place: Place, text: str) -> None:
    message, field, at = place
    if at is None:
        setattr(message, field.name, text)
    else:
        getattr(message, field.name)[at] = text


def moved(request: Any, chosen: Sequence[int], ours: Names, theirs: Names) -> Any:
    """Let the request name, in the chosen places, another's things in place of ours."""
    found = type(request)()
    found.CopyFrom(request)
    for number, place in enumerate(places(found)):
        if number in chosen:
            text = text_at(place)
            for own, other in zip(ours.all(), theirs.all(), strict=True):
                text = text.replace(own, other)
            put(place, text)
    return found


def naming(request: Any, ours: Names) -> list[int]:
    """List the places that name something of ours."""
    return [
        number
        for number, place in enumerate(places(request))
        if any(name in text_at(place) for name in ours.all())
    ]


def outcome(caller: Caller, request: Any, names: Names) -> Refusal | str:
    """Call; give what is told, without the names that the caller itself has sent."""
    try:
        answer = caller.call(request)
    except grpc.RpcError as refused:
        return _nameless(_as_refusal(refused), names)
    assert SECRET not in str(answer)
    return VARYING.sub("#", _without(str(answer), names))


VARYING: Final = re.compile(
    r"nanos: \d+|([a-z]+-)?[0-9a-f]{16,}|\d{6,}|(credential|token|fingerprint): \".*\""
)
"""What two answers cannot share, whatever was asked: instants, new ids, secrets."""


def _as_refusal(error: grpc.RpcError) -> Refusal:
    def again() -> None:
        raise error

    return refusal(again)


def _nameless(found: Refusal, names: Names) -> Refusal:
    assert SECRET not in str(found)
    details = {key: _without(value, names) for key, value in found.metadata.items()}
    return found._replace(message=_without(found.message, names), metadata=details)


def _without(text: str, names: Names) -> str:
    for number, name in enumerate(names.all()):
        text = text.replace(name, f"<{number}>") if name else text
    return text


def tried(two: Two, caller: Caller, request: Any, chosen: Sequence[int], ours: Names) -> None:
    """Send a request about B and its like about nobody, and hold the answers side by side."""
    told = []
    for names in (two.names, two.nobody):
        asked = moved(request, chosen, ours, names)
        if "validate_only" in asked.DESCRIPTOR.fields_by_name:
            asked.validate_only = True
        told.append(outcome(caller, asked, names))
    assert told[0] == told[1]


def sent(caller: Caller, request: Any) -> None:
    """Make a call for good, whatever comes of it."""
    told = outcome(caller, request, Names("", "", "", "", ""))
    assert not isinstance(told, Refusal) or told.code is not grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("name", GOOD)
def test_request_about_another_tenant_is_answered_as_one_about_none(two: Two, name: str) -> None:
    ours, before = names_of(two.a), state_of_b(two)
    request = GOOD[name](two.a)
    named = naming(request, ours)
    choices = {tuple(named), *((each,) for each in named)} - {()}
    for caller in two.by.values():
        for chosen in sorted(choices):
            tried(two, caller, request, chosen, ours)
        sent(caller, moved(request, named, ours, two.names))
    assert state_of_b(two) == before


ATTACKS: Final[dict[str, Callable[[Ready, str], Message]]] = {
    "scope-of-callers": lambda a, b: role_grant_pb2.GrantRoleRequest(
        role_grant=role_grant_pb2.RoleGrant(
            tenant=a.id, subject="user:ann", role="admin", scope=f"tenant:{b}"
        )
    ),
    "key-for-another": lambda _, b: keys.CreateKeyRequest(
        key=keys.Key(roles=["authz.checker"], tenants=[b])
    ),
    "role-of-another": lambda a, b: role_grant_pb2.GrantRoleRequest(
        role_grant=role_grant_pb2.RoleGrant(tenant=a.id, subject="user:ann", role=f"{b}/mine")
    ),
    "role-that-includes-anothers": lambda a, b: role_pb2.UpdateRoleRequest(
        **PUT, role=role_pb2.Role(id=f"{a.id}/x", includes=[f"{b}/mine"])
    ),
    "member-with-role-of-another": lambda a, b: member_pb2.AddMemberRequest(
        tenant=a.id, member=member("eve", f"{b}/mine")
    ),
    "among-callers": lambda *_: member_pb2.AddMemberRequest(
        tenant=SYSTEM, member=member("ann", "authz.operator")
    ),
    "among-many": lambda a, b: role_grant_pb2.BatchGrantRolesRequest(
        role_grants=[
            role_grant_pb2.RoleGrant(tenant=tenant, subject="user:ada", role="admin")
            for tenant in (a.id, b)
        ]
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_known_way_round_leads_nowhere(two: Two, attack: str) -> None:
    before = state_of_b(two)
    for caller in two.by.values():
        told = []
        for names in (two.names, two.nobody):
            asked: Any = ATTACKS[attack](two.a, names.tenant)
            asked.validate_only = True
            told.append(outcome(caller, asked, names))
        assert told[0] == told[1]
    for caller in two.by.values():
        sent(caller, ATTACKS[attack](two.a, B))
    assert state_of_b(two) == before
    assert not two.b.account.may("ann", "invoices:view")
    for caller in two.by.values():
        found = refusal(lambda c=caller: c.call(READS["ListMembers"](two.b)))  # type: ignore[misc]
        assert found.reason == "PERMISSION_DENIED"


@pytest.mark.parametrize("name", [name for name in WITH_PAGES if name in READS])
def test_page_token_of_another_tenants_list_opens_nothing(two: Two, name: str) -> None:
    theirs: Any = READS[name](two.b)
    theirs.page_size = 1
    token = two.server.operator.call(theirs).next_page_token
    assert token or name in SHORT
    for caller in two.by.values():
        told = []
        for tried_token in (token or "B", "A" * len(token or "A")):
            asked: Any = READS[name](two.a)
            asked.page_token = tried_token
            told.append(outcome(caller, asked, two.names))
        assert isinstance(told[0], Refusal)
        assert told[0] == told[1]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_sequence_of_requests_of_one_tenant_touches_another(two: Two, seed: int) -> None:
    random = Random(f"isolation {seed}")
    a = made_a(two.server)
    by = callers(two.server, two.issuer, a)
    ours, before = names_of(a), state_of_b(two)
    for _ in range(STEPS):
        caller = by[random.choice(sorted(by))]
        # Half of them are changes: reads leave A as it is.
        name = random.choice(sorted(CHANGES if random.random() < 0.7 else READS))
        request = GOOD[name](a)
        named = naming(request, ours)
        chosen = [each for each in named if random.random() < 0.5]
        if chosen:
            tried(two, caller, request, chosen, ours)
        sent(caller, moved(request, chosen, ours, two.names))
    assert state_of_b(two) == before
    assert two.b.account.may("ada", "team:manage")
