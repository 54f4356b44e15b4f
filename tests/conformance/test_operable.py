"""Whether somebody could still operate the service is asked of the facts as they would be."""

import pytest

from authz_service.domain.catalog import Permission, Role
from authz_service.domain.change import Fact
from authz_service.domain.grant import RoleGrant
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.domain.window import FOREVER, Window
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel.lockout import OPERATING, require_operable
from tests.conformance.store_world import CALL, NOON, StoreWorld

ROLE = Role("authz.operator", frozenset(OPERATING))


def caller(name: str, expires_at: int = FOREVER, **grant: object) -> tuple[Fact, Fact, Fact]:
    """Make a key, its membership and its role."""
    key = ApiKey(name, "00", expires_at=expires_at)
    given = RoleGrant(SYSTEM, key.subject, ROLE.id, id=f"g-{name}", **grant)  # type: ignore[arg-type]
    return key, Membership(SYSTEM, key.subject), given


@pytest.fixture
def operated(store_world: StoreWorld) -> StoreWorld:
    """Make a service that one key operates."""
    rights = [Permission(name, internal=True) for name in OPERATING]
    store_world.put(*rights, ROLE, Tenant(SYSTEM))
    store_world.put(*caller("key-1"))
    return store_world


def end_first_key(tx: Transaction) -> None:
    tx.change(tx.index.keys["key-1"], None)
    require_operable(tx)
    raise EndedError


class EndedError(Exception):
    """Rolls back what was let through."""


def test_last_key_of_an_operator_is_kept(operated: StoreWorld) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        operated.run(end_first_key, CALL)
    assert refused.value.reason is ErrorReason.OPERATORS_LOCKED_OUT
    assert refused.value.details == {"right": OPERATING[0]}


def test_another_key_is_enough(operated: StoreWorld) -> None:
    operated.put(*caller("key-2"))
    with pytest.raises(EndedError):
        operated.run(end_first_key, CALL)


@pytest.mark.parametrize(
    "other",
    [
        caller("key-2", expires_at=NOON),
        caller("key-2", window=Window(0, NOON)),
        caller("key-2", scope="tenant:acme"),
    ],
    ids=["expired-key", "ended-grant", "one-tenant-only"],
)
def test_a_key_that_operates_no_more_or_not_everything_is_none(
    operated: StoreWorld, other: tuple[Fact, Fact, Fact]
) -> None:
    operated.put(*other)
    with pytest.raises(FailedPrecondition, match="nobody could mend it"):
        operated.run(end_first_key, CALL)


def test_what_nobody_held_is_not_missed(store_world: StoreWorld) -> None:
    def body(tx: Transaction) -> None:
        tx.change(None, Permission("doc:read"))
        require_operable(tx)
        raise EndedError

    with pytest.raises(EndedError):
        store_world.run(body, CALL)
