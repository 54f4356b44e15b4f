"""Many customers at once, on each database: each whole or not at all, and never twice."""

from collections.abc import Iterable
from typing import Any, Final

import pytest

from authz_service.domain.catalog import Limit
from authz_service.errors import AuthzError, ErrorReason, InvalidArgument
from authz_service.usecases.members import members
from authz_service.usecases.members.members import NewMember
from authz_service.usecases.tenants.batch_onboarding import (
    BatchOnboardTenants,
    CustomerRow,
    Imported,
    Outcome,
    batch_onboard_tenants,
)
from authz_service.usecases.tenants.onboarding import OnboardTenant
from tests.conformance.store_world import StoreWorld
from tests.conformance.tenant_world import DAY, TenantWorld

ADA: Final = NewMember.of("user:ada", ("admin",))


@pytest.fixture
def accounts(store_world: StoreWorld) -> TenantWorld:
    return TenantWorld(store_world)


def row(tenant: str, tier: str = "free", *people: NewMember, **more: Any) -> CustomerRow:
    new = people or (ADA,)
    wanted = OnboardTenant(tenant=tenant, tier=tier, members=new, **more)
    return CustomerRow(tenant, wanted, members=len(new))


def taken(accounts: TenantWorld, *rows: CustomerRow, **call: Any) -> tuple[Imported, ...]:
    return accounts.do(batch_onboard_tenants, BatchOnboardTenants(customers=rows), **call).value


def outcomes(found: Iterable[Imported]) -> list[str]:
    return [each.outcome.value for each in found]


def tenants(accounts: TenantWorld) -> set[str]:
    names = {name for name, _ in accounts.world.stored_index().tenants.items()}
    return names - {"acme", "system"}


def entries(accounts: TenantWorld, tenant: str) -> list[str]:
    query = f"SELECT action FROM audit_entry WHERE tenant = '{tenant}' ORDER BY seq"
    with accounts.world.database.read() as connection:
        return [action for (action,) in connection.exec_driver_sql(query)]


def test_customers_are_opened_whole_with_one_entry_for_each_fact(accounts: TenantWorld) -> None:
    revision = accounts.world.index.revision
    bob = NewMember.of("user:bob", ("viewer",))
    found = taken(accounts, row("one", "professional", ADA, bob, display_name="One"), row("two"))
    assert outcomes(found) == ["created", "created"]
    assert accounts.world.index.revision == revision + 1
    owner = accounts.world.stored_index().member("one", "user:ada")
    assert owner is not None
    assert owner.owner
    done = ["tenant.onboarded", *["member.added", "role.granted"] * 2]
    assert entries(accounts, "one") == done
    assert entries(accounts, "two") == done[:3]


def test_refused_customer_leaves_nothing_of_itself_and_the_others_in_place(
    accounts: TenantWorld,
) -> None:
    half = row("half", "free", ADA, NewMember.of("user:bob", ("no-such-role",)))
    found = taken(accounts, row("one"), half, row("two"))
    assert outcomes(found) == ["created", "refused", "created"]
    assert (found[1].reason, found[1].field) == (
        ErrorReason.ROLE_NOT_FOUND,
        "members[1].roles",
    )
    assert tenants(accounts) == {"one", "two"}
    assert entries(accounts, "half") == []


def test_refused_customer_stands_in_the_audit(accounts: TenantWorld) -> None:
    taken(accounts, row("one", "gold"))
    query = "SELECT entry FROM audit_entry WHERE action = 'authz.tenants:batch_onboard'"
    with accounts.world.database.read() as connection:
        (entry,) = [text for (text,) in connection.exec_driver_sql(query)]
    assert '"tenant:one"' in entry
    assert '"refusal":"ERROR_REASON_TIER_NOT_FOUND"' in entry


def test_import_repeated_under_another_request_changes_nothing(accounts: TenantWorld) -> None:
    wanted = [row("one", display_name="One"), row("two", "professional", add_ons=("audit",))]
    taken(accounts, *wanted)
    revision = accounts.world.index.revision
    assert outcomes(taken(accounts, *wanted)) == ["unchanged", "unchanged"]
    assert accounts.world.index.revision == revision


def test_import_that_broke_off_goes_on_where_it_was(accounts: TenantWorld) -> None:
    taken(accounts, row("one"))
    assert outcomes(taken(accounts, row("one"), row("two"))) == ["unchanged", "created"]


def test_customer_that_is_there_and_another_is_told_and_left_alone(accounts: TenantWorld) -> None:
    taken(accounts, row("one", display_name="One"))
    revision = accounts.world.index.revision
    carl = NewMember.of("user:carl", ("viewer",))
    ada = NewMember.of("user:ada", ("admin", "editor"))
    other = row(
        *("one", "professional", ada, carl),
        display_name="Other",
        add_ons=("audit",),
        limits=(Limit("seats", 5, "seat"),),
    )
    (found,) = taken(accounts, other)
    assert found.outcome is Outcome.DIFFERENT
    assert found.differences == (
        *("display_name", "tier", "add_ons audit", "limits seats"),
        *("roles user:ada editor", "members user:carl"),
    )
    assert accounts.world.index.revision == revision


def test_what_a_customer_has_beside_what_is_wanted_is_its_own_matter(
    accounts: TenantWorld,
) -> None:
    taken(accounts, row("one"))
    new = members.AddMember(tenant="one", member=NewMember.of("user:bob", ("viewer",)))
    accounts.do(members.add_member, new)
    assert outcomes(taken(accounts, row("one"))) == ["unchanged"]


def test_offboarded_customer_is_not_opened_again(accounts: TenantWorld) -> None:
    taken(accounts, row("one"))
    accounts.offboard("one")
    (found,) = taken(accounts, row("one"))
    assert found.outcome is Outcome.DIFFERENT
    assert found.differences[0] == "state offboarded"


def test_same_customer_twice_in_a_call_is_opened_once(accounts: TenantWorld) -> None:
    found = taken(accounts, row("one"), row("one", "professional"))
    assert outcomes(found) == ["created", "refused"]
    assert found[1].field == "tenant"
    assert accounts.tenant("one").tier_at(accounts.now) == "free"


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("wanted", "reason", "field"),
    [
        (row("system"), ErrorReason.TENANT_RESERVED, "tenant"),
        (row("no good"), ErrorReason.INVALID_IDENTIFIER, "tenant"),
        (row(""), ErrorReason.INVALID_IDENTIFIER, "tenant"),
        (row("one", "gold"), ErrorReason.TIER_NOT_FOUND, "tier"),
        (row("one", add_ons=("x",)), ErrorReason.ADD_ON_NOT_FOUND, "add_ons"),
        (row("one", "free", ADA, ADA), ErrorReason.INVALID_FIELD, "members"),
        (row("one", trial_until=1), ErrorReason.SCHEDULE_IN_PAST, "trial_end_time"),
        (
            row("one", "free", *(NewMember.of(f"user:{n}") for n in range(4))),
            ErrorReason.SEATS_EXHAUSTED,
            "",
        ),
        (
            CustomerRow("one", refusal=InvalidArgument(ErrorReason.INVALID_FIELD, "", field="x")),
            ErrorReason.INVALID_FIELD,
            "x",
        ),
    ],
)
def test_customer_that_cannot_be_opened_is_refused_with_its_reason_and_field(
    accounts: TenantWorld, wanted: CustomerRow, reason: ErrorReason, field: str
) -> None:
    (found,) = taken(accounts, wanted)
    assert (found.outcome, found.reason, found.field) == (Outcome.REFUSED, reason, field)
    assert tenants(accounts) == set()


def test_seats_of_one_customer_are_not_taken_by_another_of_the_same_call(
    accounts: TenantWorld,
) -> None:
    three = [NewMember.of(f"user:{n}") for n in range(3)]
    found = taken(accounts, *(row(f"c{n}", "free", *three) for n in range(5)))
    assert outcomes(found) == ["created"] * 5


def test_dry_run_tells_all_and_writes_nothing(accounts: TenantWorld) -> None:
    before = accounts.world.index.revision
    found = taken(accounts, row("one"), row("two", "gold"), validate_only=True)
    assert outcomes(found) == ["created", "refused"]
    assert (tenants(accounts), accounts.world.index.revision) == (set(), before)


def test_trial_and_limits_come_with_the_customer(accounts: TenantWorld) -> None:
    until = accounts.now + DAY
    limits = (Limit("seats", 9, "seat"),)
    taken(accounts, row("one", trial_until=until, limits=limits))
    accounts.wait(until)
    assert accounts.tenant("one").state_at(accounts.now).value == "suspended"
    assert accounts.tenant("one").limits == limits


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ((), ErrorReason.INVALID_FIELD),
        ((row("one"),) * 1001, ErrorReason.BATCH_TOO_LARGE),
        ((CustomerRow("one", members=501),) * 2, ErrorReason.BATCH_TOO_LARGE),
    ],
)
def test_call_that_carries_nothing_or_too_much_is_refused_as_a_whole(
    accounts: TenantWorld, rows: tuple[CustomerRow, ...], reason: ErrorReason
) -> None:
    with pytest.raises(AuthzError) as raised:
        taken(accounts, *rows)
    assert (raised.value.reason, raised.value.field) == (reason, "tenants")
