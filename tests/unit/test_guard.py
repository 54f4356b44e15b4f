"""What no road leads to is refused nevertheless: a customer's user inside `system`."""

import pytest

from authz_service.domain.audit import Actor
from authz_service.domain.catalog import Permission, Role
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.own_policy import NAME_ACTORS
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.engine.builder import build
from authz_service.engine.index import Index
from authz_service.errors import PermissionDenied
from authz_service.usecases.kernel import guard

RIGHT = "authz.keys:create"
USER, KEY = "user:ada", "service:key-1"


@pytest.fixture
def index() -> Index:
    """Build what no use case makes: a user who is a member of `system`, with a right there."""
    return build(
        [
            Permission(RIGHT, internal=True),
            Permission(NAME_ACTORS, internal=True),
            Role("authz.operator", frozenset({RIGHT, NAME_ACTORS})),
            *(Tenant(each) for each in (SYSTEM, "acme")),
            *(Membership(SYSTEM, each) for each in (USER, KEY)),
            *(RoleGrant(SYSTEM, each, "authz.operator") for each in (USER, KEY)),
        ],
        1,
    )


@pytest.mark.parametrize("actor", [Actor(USER), Actor(KEY, USER)], ids=["caller", "actor"])
@pytest.mark.parametrize("tenant", ["", SYSTEM, "acme"])
def test_what_a_user_holds_in_system_never_counts(index: Index, actor: Actor, tenant: str) -> None:
    with pytest.raises(PermissionDenied, match="user:ada does not hold"):
        guard.require(index, actor, RIGHT, tenant, 0)
    with pytest.raises(PermissionDenied):
        guard.require_for_all(index, actor, RIGHT, lambda: (tenant,), 0)


@pytest.mark.parametrize("tenant", ["", SYSTEM, "acme"])
def test_key_with_the_same_grant_passes(index: Index, tenant: str) -> None:
    guard.require(index, Actor(KEY), RIGHT, tenant, 0)
