"""The edge is the same everywhere: ids, instants, revisions, and the size of what comes back."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import (
    exception_pb2,
    key_pb2,
    member_pb2,
    permission_pb2,
    role_grant_pb2,
    role_pb2,
    tier_pb2,
)
from authz_service.rpc.messages import catalog
from authz_service.usecases.kernel import paging
from tests.changesets import apply, previewing, puts
from tests.rpc.account import Account
from tests.rpc.harness import Server, made
from tests.rpc.requests import GOOD, made_ready
from tests.services import PUT, RPCS

MALFORMED: Final = "a b\n"
OTHERS: Final = {"ApplyChangeset", "BatchOnboardTenants", "CancelScheduledChange"}
"""What puts many things at once names the thing, not its place (`tiers.pro.permissions`), or
reports on each; the id of a scheduled change is what it does and when, any other is of no change.
"""

OURS: Final = [
    name
    for name in GOOD
    if name not in OTHERS and RPCS[name].containing_service.name != "BillingService"
]
"""RPCs whose ids are of this service's alphabets; an event has those of its sender."""

TEXTS: Final = {("MailTemplate", "subject")}
"""Fields that are called like an id and hold words for people."""

IDS: Final = {"tenant", "subject", "permission", "role", "tier", "add_on", "id", "scope"}


def ids_in(message: Message, path: str = "") -> Iterator[tuple[str, Message, str]]:
    """Yield the path of each id that is set in a request, the message it is in, and its field."""
    for field, value in message.ListFields():
        where = f"{path}.{field.name}" if path else field.name
        if isinstance(value, Message):
            yield from ids_in(value, where)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        elif field.message_type is not None:
            for number, each in enumerate(value):
                yield from ids_in(each, f"{where}[{number}]")
        elif (message.DESCRIPTOR.name, field.name) in TEXTS:
            continue
        elif field.name in IDS and isinstance(value, str):
            yield where, message, field.name


@pytest.mark.sweep
@pytest.mark.parametrize("name", OURS)
def test_malformed_id_is_refused_alike_wherever_it_stands(account: Account, name: str) -> None:
    ready = made_ready(account)
    for path in [path for path, _, _ in ids_in(GOOD[name](ready))]:
        request: Any = GOOD[name](ready)
        (place,) = ((within, field) for at, within, field in ids_in(request) if at == path)
        setattr(*place, MALFORMED)
        account.server.refuses(request, ErrorReason.INVALID_IDENTIFIER, at=blamed(name, path))


def blamed(name: str, path: str) -> str:
    """Name what is blamed: of what is put into the catalogue, the whole for its own id."""
    put = name.startswith(("Put", "Create")) and path.count(".") == 1
    return path.removesuffix(".id") if put else path


def test_limit_without_an_amount_is_blamed_where_it_stands(server: Server) -> None:
    good, bad = {"name": "seats", "value": 1}, {"name": "projects"}
    tiers: list[dict[str, Any]] = [
        {"id": "one", "limits": [good]},
        {"id": "two", "limits": [good, bad]},
    ]
    many = previewing(puts(tiers=[made(tier_pb2.Tier, **tier) for tier in tiers]))
    at = "changeset.commands[1].update_tier.tier.limits[1]"
    server.refuses(many, ErrorReason.INVALID_FIELD, at=at)
    one = made(tier_pb2.UpdateTierRequest, **PUT, tier=tiers[1])
    server.refuses(one, ErrorReason.INVALID_FIELD, at="tier.limits[1]")


WRONG_TIMES: Final = {
    "nanos-beyond": Timestamp(seconds=1_800_000_000, nanos=1_000_000_000),
    "nanos-negative": Timestamp(seconds=1_800_000_000, nanos=-1),
    "year-10000": Timestamp(seconds=253_402_300_800),
    "year-0": Timestamp(seconds=-62_135_596_801),
    "absurd": Timestamp(seconds=2**63 - 1),
}


@pytest.mark.parametrize("at", WRONG_TIMES.values(), ids=WRONG_TIMES)
def test_instant_out_of_range_is_refused_by_its_path(account: Account, at: Timestamp) -> None:
    account.onboard("free", ada=["admin"])
    grant: dict[str, Any] = {"tenant": account.id, "subject": "user:ada", "role": "viewer"}
    wrong = {
        "role_grant.valid_from": made(
            role_grant_pb2.GrantRoleRequest, role_grant=grant | {"valid_from": at}
        ),
        "role_grant.valid_until": made(
            role_grant_pb2.GrantRoleRequest, role_grant=grant | {"valid_until": at}
        ),
        "exception.valid_until": made(
            exception_pb2.CreateExceptionRequest,
            exception={"tenant": account.id, "valid_until": at},
        ),
        "key.expire_time": key_pb2.CreateKeyRequest(
            key=key_pb2.Key(roles=["authz.checker"], expire_time=at)
        ),
        "unused_since_time": key_pb2.ListKeysRequest(unused_since_time=at),
    }
    for path, request in wrong.items():
        account.server.refuses(request, ErrorReason.INVALID_FIELD, at=path, says="years 1 to 9999")


@pytest.mark.parametrize(
    "at",
    [Timestamp(seconds=253_402_300_799, nanos=999_999_999), Timestamp(seconds=-62_135_596_800)],
    ids=["last", "first"],
)
def test_first_and_last_instant_that_there_are_can_be_asked_for(
    server: Server, at: Timestamp
) -> None:
    server.operator.keys.ListKeys(key_pb2.ListKeysRequest(unused_since_time=at))


DEMANDING: Final = [n for n, rpc in RPCS.items() if "min_revision" in rpc.input_type.fields_by_name]


@pytest.mark.parametrize("name", DEMANDING)
def test_negative_revision_is_refused(account: Account, name: str) -> None:
    request: Any = GOOD[name](made_ready(account))
    request.min_revision = -1
    account.server.refuses(request, ErrorReason.INVALID_FIELD, at="min_revision")


@pytest.mark.parametrize("state", ["suspended", "offboarded"])
@pytest.mark.parametrize(
    ("field", "value"), [("subject", "alice"), ("subject", "user:"), ("scope", "project")]
)
def test_closed_tenant_is_no_reason_to_let_a_malformed_question_pass(
    account: Account, state: str, field: str, value: str
) -> None:
    account.onboard("free", ada=["admin"])
    if state == "suspended":
        account.suspend("BILLING")
    else:
        account.offboard()
    asked: dict[str, Any] = {
        "tenant": account.id,
        "subject": "user:ada",
        "permission": "invoices:view",
    }
    request = checks.CheckRequest(**(asked | {field: value}))
    account.server.refuses(request, ErrorReason.INVALID_IDENTIFIER, at=field)
    batch = checks.BatchCheckRequest(
        questions=[checks.Question(**asked), checks.Question(**(asked | {field: value}))]
    )
    account.server.refuses(batch, ErrorReason.INVALID_IDENTIFIER, at=f"questions[1].{field}")
    assert not account.may("user:ada", "invoices:view")


def test_key_bound_to_a_tenant_reads_that_tenants_own_roles(account: Account) -> None:
    account.onboard("professional")
    account.put_role("clerk", "invoices:view")
    other = Account(account.server, f"{account.id}-other")
    other.onboard("professional")
    other.put_role("clerk", "invoices:view")
    caller = account.server.caller(account.server.new_key("authz.auditor", tenants=(account.id,)))
    found = caller.roles.GetRole(role_pb2.GetRoleRequest(id=f"{account.id}/clerk")).role
    assert found.permissions == ["invoices:view"]
    told = [
        account.server.refuses(
            role_pb2.GetRoleRequest(id=f"{tenant}/clerk"),
            ErrorReason.PERMISSION_DENIED,
            by=caller,
        ).metadata
        for tenant in (other.id, "nowhere")
    ]
    assert told[0] == told[1]


def test_page_that_would_be_too_large_for_a_message_ends_early(server: Server) -> None:
    names = [f"huge{'x' * 55}:{n:04}{'y' * 55}" for n in range(400)]
    declared = [permission_pb2.Permission(id=name) for name in names]
    roles = [role_pb2.Role(id=f"huge-{n:03}", permissions=names) for n in range(120)]
    apply(server.operator.changesets, puts(permissions=declared))
    for start in range(0, 120, 40):
        apply(server.operator.changesets, puts(roles=roles[start : start + 40]))
    request = role_pb2.ListRolesRequest(page_size=1000)
    sizes: list[int] = []
    found: list[str] = []
    while not sizes or request.page_token:
        page = server.operator.roles.ListRoles(request)
        sizes.append(page.ByteSize())
        found += [role.id for role in page.roles]
        request.page_token = page.next_page_token
    assert len(sizes) > 1
    assert max(sizes) <= paging.MAX_BYTES
    assert min(sizes[:-1]) > paging.MAX_BYTES / 2
    assert found == sorted(set(found))
    assert {role.id for role in roles} <= set(found)


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_weight_of_an_item_is_no_less_than_its_message(server: Server, size: int) -> None:
    message = role_pb2.Role(
        id="r", permissions=[f"a:{n:03}é" for n in range(size)], description="é" * size
    )
    assert paging.weight(catalog.role(message)) >= message.ByteSize() + 5


def test_page_of_members_with_many_roles_ends_early(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.onboard("enterprise", **{f"u{n}": ["viewer", "editor"] for n in range(30)})
    monkeypatch.setattr(paging, "MAX_BYTES", 1000)
    request = member_pb2.ListMembersRequest(tenant=account.id, page_size=1000)
    found, pages = [], 0
    while not pages or request.page_token:
        page = account.operator.members.ListMembers(request)
        found += [member.subject for member in page.members]
        request.page_token = page.next_page_token
        pages += 1
    assert pages > 3
    assert found == sorted(f"user:u{n}" for n in range(30))
