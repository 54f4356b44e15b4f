"""Which of a release's new rights its shipped roles lack, in a database of an older release."""

from typing import Final

from sqlalchemy import Connection, select

from authz_service.domain.policy_set import PolicySet
from authz_service.engine.compiling import closure
from authz_service.store.facts import Facts
from authz_service.store.schema import permission
from authz_service.usecases.bootstrap.seeding import OPERATOR
from authz_service.usecases.kernel.rights import RIGHTS

_SEEDED: Final = 1
"""The revision of the first start."""


def rights_to_give(connection: Connection, shipped: PolicySet) -> dict[str, tuple[str, ...]]:
    """Name, by role, the rights that came after the first start and that it is shipped with.

    The start gives them to the operator alone; those that it has yet to declare are named too. A
    right of the first start that a role lacks was taken from it on purpose, and is not named.
    """
    roles = {role.id: role for role in Facts(connection).roles("")}
    first = permission.c.opened_revision == _SEEDED
    late = RIGHTS.difference(connection.scalars(select(permission.c.permission).where(first)))
    found = {}
    for role in shipped.roles:
        held = frozenset[str]().union(*(each.permissions for each in closure(roles, role.id)))
        lacking = role.permissions & late - held
        if lacking and role.id in roles and role.id != OPERATOR:
            found[role.id] = tuple(sorted(lacking))
    return found
