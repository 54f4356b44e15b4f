"""A lost operator's key is made good on the database itself, whatever became of the policy."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from authz_service.config import shipped_policies
from authz_service.domain.catalog import Role
from authz_service.domain.change import FactChange
from authz_service.domain.decision import Question
from authz_service.domain.key import KeyKind, digest, write
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import SYSTEM
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from authz_service.errors import InvalidArgument
from authz_service.policyfiles import policy_files
from authz_service.usecases.bootstrap import recovery, seeding
from authz_service.usecases.kernel import guard
from tests.conformance import ledger
from tests.conformance.store_world import StoreWorld


@cache
def shipped() -> PolicySet:
    return policy_files.read_folder(shipped_policies())


@pytest.fixture
def seeded(store_world: StoreWorld) -> StoreWorld:
    seeding.seed(store_world.store, shipped())
    return store_world


def recovered(world: StoreWorld) -> tuple[tuple[str, ...], str]:
    """Recover; name what was mended, and the caller that the new key proves."""
    mended = recovery.mend(world.store, "all lost", validate_only=False)
    key = recovery.new_operator(world.store, "secret", "all lost")
    assert key.kind is KeyKind.OPERATOR
    credential = write(key.kind, key.id, "secret")
    return mended, guard.authenticate(world.index, credential, world.clock.now)


def may_operate(world: StoreWorld, caller: str) -> bool:
    needed = (
        "authz.keys:create",
        "authz.changesets:apply",
        "authz.roles:create",
        "authz.roles:update",
        "authz.tenants:onboard",
        "authz.decisions:check",
    )
    return all(
        decide(world.index, Question(SYSTEM, caller, right), world.clock.now).allowed
        for right in needed
    )


def replaced(index: Index, role: str, after: Role) -> FactChange:
    found = index.role(role)
    return FactChange(found.fact if found else None, after)


DAMAGE: dict[str, Callable[[Index], list[FactChange]]] = {
    "role-emptied": lambda index: [replaced(index, "authz.operator", Role("authz.operator"))],
    "included-role-emptied": lambda index: [
        replaced(index, "authz.provisioner", Role("authz.provisioner"))
    ],
    "role-in-a-circle": lambda index: [
        replaced(index, "authz.operator", Role("authz.operator")),
        replaced(
            index, "authz.auditor", Role("authz.auditor", includes=frozenset({"authz.operator"}))
        ),
    ],
    "role-gone": lambda index: [FactChange(entry(index, "authz.operator"), None)],
    "permission-for-sale": lambda index: [
        FactChange(
            index.permissions["authz.keys:create"].fact,
            replace(index.permissions["authz.keys:create"].fact, internal=False),
        )
    ],
    "all-at-once": lambda index: [
        change for name in ("role-emptied", "permission-for-sale") for change in DAMAGE[name](index)
    ],
}


def entry(index: Index, role: str) -> Role:
    found = index.role(role)
    assert found is not None
    return found.fact


def test_new_key_operates_where_nothing_was_damaged(seeded: StoreWorld) -> None:
    before = seeded.index.revision
    mended, caller = recovered(seeded)
    assert mended == ()
    assert may_operate(seeded, caller)
    assert seeded.index.revision == before + 1
    ledger.assert_whole(seeded.database)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_new_key_operates_whatever_was_damaged(
    seeded: StoreWorld, damage: Callable[[Index], list[FactChange]]
) -> None:
    seeded.commit(*damage(seeded.index))
    mended, caller = recovered(seeded)
    assert mended
    assert may_operate(seeded, caller)
    again, _ = recovered(seeded)
    assert again == ()
    ledger.assert_whole(seeded.database)


def test_recovery_is_audited_as_the_services_own_with_its_reason(seeded: StoreWorld) -> None:
    seeded.commit(*DAMAGE["all-at-once"](seeded.index))
    known = len(ledger.chains(seeded.database)[SYSTEM])
    recovered(seeded)
    added = ledger.chains(seeded.database)[SYSTEM][known:]
    assert {each.actor for each in added} == {"service:authz"}
    actions = {each.action for each in added}
    assert {"key.created", "own_policy.declared", "role.granted"} <= actions
    assert {each.document["reason"] for each in added} == {"all lost"}


def test_recovery_asks_for_a_reason(seeded: StoreWorld) -> None:
    before = ledger.contents(seeded.database)
    for attempt in (
        lambda: recovery.mend(seeded.store, " ", validate_only=False),
        lambda: recovery.new_operator(seeded.store, "secret", ""),
    ):
        with pytest.raises(InvalidArgument, match="reason"):
            attempt()
    assert ledger.contents(seeded.database) == before


def test_looking_what_would_be_mended_changes_nothing(seeded: StoreWorld) -> None:
    seeded.commit(*DAMAGE["role-gone"](seeded.index))
    before = ledger.contents(seeded.database)
    found = recovery.mend(seeded.store, "look", validate_only=True)
    assert found == ("authz.operator",)
    assert ledger.contents(seeded.database) == before


def test_process_that_runs_takes_the_new_key_up(seeded: StoreWorld) -> None:
    other = seeded.another()
    key = recovery.new_operator(seeded.store, "secret", "all lost")
    assert key.id not in other.index.keys
    other.replica.catch_up()
    assert other.index.keys[key.id].secret_hash == digest("secret")
    assert may_operate(other, f"service:{key.id}")
