"""A way back in when no operator's key is left, for whoever holds the database."""

from collections.abc import Iterator
from dataclasses import replace

from authz_service.domain.call import Call
from authz_service.domain.catalog import TIER, Permission, Plan, Role
from authz_service.domain.key import KeyKind, digest
from authz_service.domain.policy_set import PolicySet
from authz_service.engine.index import Index
from authz_service.store.unit_of_work import Store
from authz_service.usecases.bootstrap.seeding import INTERNAL_TIER, OPERATOR, SEEDER
from authz_service.usecases.callers.keys import CreateKey, make_key
from authz_service.usecases.callers.keys_now import KeyNow
from authz_service.usecases.catalog import objects
from authz_service.usecases.kernel import preconditions


def mend(store: Store, shipped: PolicySet, reason: str, *, validate_only: bool) -> tuple[str, ...]:
    """Put back what operators need and does not hold any more, as it is shipped; name what was.

    The laws of policies are not asked: what broke them may be what is mended. Everything that
    still does its part stays as it is, however it was changed.
    """
    call = Call(SEEDER, reason=_why(reason), validate_only=validate_only)
    with store.transaction(call) as tx:
        mended = []
        for kind, before, after in _damage(tx.index, shipped):
            objects.write(tx, kind, before, after)
            mended.append(f"{kind} {after.id.removeprefix(TIER)}")
    return tuple(mended)


def new_operator(store: Store, secret: str, reason: str) -> KeyNow:
    """Make an operator's key. Raises: what `make_key` does."""
    call = Call(SEEDER, reason=_why(reason))
    with store.transaction(call) as tx:
        wanted = CreateKey(
            secret_hash=digest(secret),
            roles=(OPERATOR,),
            display_name="recovered operator key",
            kind=KeyKind.OPERATOR,
        )
        return make_key(tx, wanted)


def _why(reason: str) -> str:
    return preconditions.text(reason, "reason", required=True)


def _damage(
    index: Index, shipped: PolicySet
) -> Iterator[tuple[str, Permission | Role | Plan | None, Permission | Role | Plan]]:
    """Iterate over the facts to put: kind, what is there, what shall be."""
    roles = {role.id: role for role in shipped.roles}
    needed = _below(OPERATOR, roles)
    held = frozenset[str]().union(*(role.permissions for role in needed))
    for permission in shipped.permissions:
        entry = index.permissions.get(permission.id)
        if permission.id in held and (entry is None or not entry.internal):
            yield "permission", entry.fact if entry else None, permission
    if not held <= index.role_permissions(OPERATOR):
        for role in needed:
            found = index.role(role.id)
            if found is None or found.fact != role:
                yield "role", found.fact if found else None, role
    for tier in shipped.tiers:
        there = index.plans.get(tier.id)
        offered = there.assignable_roles if there else frozenset[str]()
        if tier.name == INTERNAL_TIER and OPERATOR not in offered:
            yield "tier", there, replace(tier, assignable_roles=tier.assignable_roles | offered)


def _below(name: str, roles: dict[str, Role]) -> list[Role]:
    """List a role and all that it includes, the innermost first."""
    found: dict[str, Role] = {}
    for included in sorted(roles[name].includes):
        found |= {role.id: role for role in _below(included, roles)}
    return [*found.values(), roles[name]]
