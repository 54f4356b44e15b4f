"""An index taken apart again: its facts, in the order in which one is built from them.

Plain members, of whom there may be millions, come as columns and not as facts one by one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from authz_service.domain.change import Fact
from authz_service.domain.grant import RoleGrant
from authz_service.domain.window import Window
from authz_service.engine.index import FIRST_ROLE, Index, MemberEntry


class PlainMask(NamedTuple):
    """What many plain members have in common: the bits of their standing, and their roles."""

    standing: int
    roles: Sequence[str]

    def bits(self, role_bits: Mapping[str, int]) -> int:
        """Give the mask for an index in which roles may have other bits."""
        return self.standing | sum(role_bits[role] for role in self.roles)


class PlainMembers(NamedTuple):
    """The plain members of one tenant, and for each the number of its mask."""

    tenant: str
    subjects: Sequence[str]
    masks: Sequence[int]


class Masks:
    """Numbers the masks that come up."""

    def __init__(self, index: Index) -> None:
        self._role_bits = {role: index.role_bits[role] for role in index.roles}
        self._numbers: dict[int, int] = {}

    def number(self, mask: int) -> int:
        return self._numbers.setdefault(mask, len(self._numbers))

    def listed(self) -> list[PlainMask]:
        """List the masks by their numbers. Bits of roles that are gone give nothing any more."""
        bits = self._role_bits.items()
        return [
            PlainMask(mask & (FIRST_ROLE - 1), [role for role, bit in bits if mask & bit])
            for mask in self._numbers
        ]


def facts(index: Index) -> Iterator[Fact]:
    """Iterate over all facts but members and their grants."""
    yield from (entry.fact for entry in index.permissions.values())
    yield from (entry.fact for entry in index.roles.values())
    yield from index.plans.values()
    for tenant in index.tenants.values():
        yield tenant.fact
        yield from (role.fact for role in tenant.own_roles.values())
        yield from tenant.invitations.values()
        yield from tenant.exceptions
    for kept in index.all_kept().values():
        yield from kept.values()
    yield from index.scheduled.values()


def plain_members(index: Index, masks: Masks) -> Iterator[PlainMembers]:
    """Iterate over the tenants that have any."""
    for tenant_id, tenant in index.tenants.items():
        plain = [(s, masks.number(m)) for s, m in tenant.members.items() if isinstance(m, int)]
        if plain:
            yield PlainMembers(tenant_id, *zip(*plain, strict=True))


def special_members(index: Index) -> Iterator[Fact]:
    """Iterate over all other members, each followed by its grants."""
    for tenant_id, tenant in index.tenants.items():
        for subject, member in tenant.members.items():
            if isinstance(member, MemberEntry):
                yield member.membership
                for role, scope, start, end in member.grants:
                    yield RoleGrant(tenant_id, subject, role, scope, Window(start, end))
