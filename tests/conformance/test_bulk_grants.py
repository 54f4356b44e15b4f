"""Many grants in one call: all of them or none, and the answer says what became of each."""

from dataclasses import replace
from functools import partial

import pytest

from authz_service.domain.grant import GrantSource
from authz_service.domain.window import Window
from authz_service.errors import ErrorReason, FailedPrecondition, NotFound, PermissionDenied
from authz_service.usecases.grants.batch_grants import Granted
from authz_service.usecases.grants.role_grants import RevokeRole
from tests.conformance import granting, ledger
from tests.conformance.granting import (
    ONLY_ACME,
    bulk_grant,
    bulk_revoke,
    calling,
    grant,
    grants_in,
    refused,
)
from tests.conformance.store_world import StoreWorld


@pytest.fixture
def world(store_world: StoreWorld) -> StoreWorld:
    granting.seed(store_world)
    return store_world


def described(subject: str = "alice", role: str = "viewer", tenant: str = "acme") -> RevokeRole:
    return RevokeRole(tenant=tenant, subject=f"user:{subject}", role=role)


def test_grants_of_two_customers_are_one_revision(world: StoreWorld) -> None:
    before = ledger.head(world.database)
    answer = bulk_grant(world, grant(), grant("bob"), grant("carol", tenant="beta"))
    assert [each.made for each in answer.value] == [True, True, True]
    assert answer.revision == ledger.head(world.database) == before + 1
    ids = [each.id for each in answer.value]
    assert [g.id for g in (*grants_in(world), *grants_in(world, "beta"))] == ids
    assert ledger.same(world.index, world.stored_index())
    ledger.assert_whole(world.database)


def test_every_grant_has_its_entry_in_its_customers_chain(world: StoreWorld) -> None:
    call = calling(reason="migration", request_id="r1", fingerprint="f")
    bulk_grant(world, grant(reason="her own"), grant("bob"), grant(tenant="beta"), call=call)
    chains = ledger.chains(world.database)
    told = {
        tenant: [(e.action, e.document["targets"], e.document["reason"]) for e in chains[tenant]]
        for tenant in ("acme", "beta")
    }
    assert told == {
        "acme": [
            ("role.granted", ["user:alice"], "her own"),
            ("role.granted", ["user:bob"], "migration"),
        ],
        "beta": [("role.granted", ["user:alice"], "migration")],
    }
    assert [g.reason for g in grants_in(world)] == ["her own", "migration"]


def test_what_is_held_already_is_told_and_not_made_again(world: StoreWorld) -> None:
    first = bulk_grant(world, grant()).value[0]
    answer = bulk_grant(world, grant(), grant("bob"), grant("bob"))
    bob = answer.value[1]
    assert answer.value == (Granted(first.id, made=False), bob, Granted(bob.id, made=False))
    assert len(grants_in(world)) == 2


def test_another_source_scope_or_window_is_another_grant(world: StoreWorld) -> None:
    bulk_grant(world, grant())
    others = (
        grant(source=GrantSource.SCIM),
        grant(scope="doc:1"),
        grant(window=Window(5, 9)),
    )
    assert all(each.made for each in bulk_grant(world, *others).value)
    assert not any(each.made for each in bulk_grant(world, *others).value)
    assert len(grants_in(world)) == 4


def test_nothing_new_makes_no_revision_and_is_audited(world: StoreWorld) -> None:
    made = bulk_grant(world, grant()).revision
    call = calling(reason="to be sure")
    assert bulk_grant(world, grant(), call=call).revision == made
    last = ledger.chains(world.database)["acme"][-1].document
    assert (last["action"], last["outcome"], last["revision"]) == (
        "authz.role_grants:create",
        "done",
        made,
    )
    assert (last["before"], last["after"], last["reason"]) == (None, None, "to be sure")


def test_one_bad_grant_refuses_all_and_every_bad_one_is_named(world: StoreWorld) -> None:
    before = ledger.contents(world.database)
    wanted = (
        grant(),
        grant("nobody"),
        grant(role="admin"),
        grant(role="ghost"),
        grant(tenant="nowhere"),
        grant(scope="no scope"),
    )
    error = refused(partial(bulk_grant, world, *wanted, call=calling(validate_only=True)))
    assert ledger.contents(world.database) == before
    assert isinstance(error, FailedPrecondition)
    assert (error.reason, error.field) == (ErrorReason.NOT_A_MEMBER, "role_grants[1].subject")
    assert "5 of 6 items" in error.message
    named = {name: value for name, value in error.details.items() if name.startswith("item-")}
    assert error.details["refused"] == "5"
    assert named == {
        "item-1": "NOT_A_MEMBER role_grants[1].subject",
        "item-2": "ROLE_NOT_ASSIGNABLE role_grants[2].role",
        "item-3": "ROLE_NOT_FOUND role_grants[3].role",
        "item-4": "TENANT_NOT_FOUND role_grants[4].tenant",
        "item-5": "INVALID_IDENTIFIER role_grants[5].scope",
    }


def test_refusal_of_a_thousand_says_how_many_and_names_what_fits(world: StoreWorld) -> None:
    error = refused(partial(bulk_grant, world, *[grant("nobody")] * 1000))
    assert error.details["refused"] == "1000"
    named = [name for name in error.details if name.startswith("item-")]
    assert named == [f"item-{number}" for number in range(len(named))]
    assert 20 < len(named) < 1000
    assert sum(map(len, (*error.details, *error.details.values()))) < 3000


@pytest.mark.parametrize(("number", "reason"), [(0, "INVALID_FIELD"), (1001, "BATCH_TOO_LARGE")])
def test_no_item_or_too_many_are_refused(world: StoreWorld, number: int, reason: str) -> None:
    error = refused(partial(bulk_grant, world, *[grant()] * number))
    assert (error.reason, error.field) == (reason, "role_grants")


def test_right_is_asked_for_every_customer_named(world: StoreWorld) -> None:
    call = calling(ONLY_ACME)
    assert bulk_grant(world, grant(), call=call).value[0].made
    for other in ("beta", "nowhere"):
        error = refused(partial(bulk_grant, world, grant("bob"), grant(tenant=other), call=call))
        assert isinstance(error, PermissionDenied)
        assert f"{other!r}" in error.message
    last = ledger.chains(world.database)["system"][-1].document
    assert last["targets"] == ["tenant:acme", "tenant:nowhere"]
    assert len(grants_in(world)) == 1
    assert grants_in(world, "beta") == []


def test_refused_call_about_many_customers_names_some_of_them(world: StoreWorld) -> None:
    refused(partial(bulk_grant, world, *[grant(tenant=f"t{n}") for n in range(30)]))
    targets = ledger.chains(world.database)["system"][-1].document["targets"]
    assert (targets[0], len(targets), targets[-1]) == ("tenant:t0", 21, "and 10 more")


def test_repeated_call_gets_the_first_answer(world: StoreWorld) -> None:
    call = calling(request_id="r1", fingerprint="f")
    first = bulk_grant(world, grant(), grant("bob"), call=call)
    before = ledger.contents(world.database)
    again = bulk_grant(world, grant(), grant("bob"), call=call)
    assert again == replace(first, repeated=True)
    assert ledger.contents(world.database) == before


def test_dry_run_tells_the_whole_effect_and_writes_nothing(world: StoreWorld) -> None:
    bulk_grant(world, grant())
    before = ledger.contents(world.database)
    told = bulk_grant(world, grant(), grant("bob"), call=calling(validate_only=True))
    assert [each.made for each in told.value] == [False, True]
    gone = bulk_revoke(world, described(), call=calling(validate_only=True))
    assert len(gone.value[0]) == 1
    assert ledger.contents(world.database) == before


def test_revocations_tell_which_grants_they_ended(world: StoreWorld) -> None:
    wanted = (grant(), grant(source=GrantSource.SCIM), grant("bob"), grant(tenant="beta"))
    ids = [each.id for each in bulk_grant(world, *wanted).value]
    answer = bulk_revoke(
        world, described(), described("carol"), described("bob"), described(), described("who")
    )
    assert answer.value == ((ids[0], ids[1]), (), (ids[2],), (), ())
    assert grants_in(world) == []
    assert [g.id for g in grants_in(world, "beta")] == [ids[3]]
    assert ledger.same(world.index, world.stored_index())
    ledger.assert_whole(world.database)


def test_revocation_of_one_source_or_scope_leaves_the_others(world: StoreWorld) -> None:
    wanted = (grant(), grant(source=GrantSource.SCIM), grant(scope="doc:1"))
    ids = [each.id for each in bulk_grant(world, *wanted).value]
    scim = replace(described(), source=GrantSource.SCIM)
    scoped = replace(described(), scope="doc:1")
    assert bulk_revoke(world, scim, scoped).value == ((ids[1],), (ids[2],))
    assert [g.id for g in grants_in(world)] == [ids[0]]


def test_one_bad_revocation_leaves_every_grant(world: StoreWorld) -> None:
    bulk_grant(world, grant())
    error = refused(
        partial(bulk_revoke, world, described(), described(tenant="nowhere"), described("alïce"))
    )
    assert isinstance(error, NotFound)
    assert error.field == "revocations[1].tenant"
    assert error.details["item-2"] == "INVALID_IDENTIFIER revocations[2].subject"
    assert len(grants_in(world)) == 1


def test_a_thousand_grants_and_their_end_take_one_revision_each(world: StoreWorld) -> None:
    wanted = [grant(scope=f"doc:{number}") for number in range(1000)]
    assert len(bulk_grant(world, *wanted).value) == 1000
    gone = [replace(described(), scope=f"doc:{number}") for number in range(1000)]
    answer = bulk_revoke(world, *gone)
    assert all(len(ids) == 1 for ids in answer.value)
    assert ledger.same(world.index, world.stored_index())
    ledger.assert_whole(world.database)
