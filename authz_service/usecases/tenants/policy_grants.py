"""The grants of a tenant's members while the downgrade policy is at work on them.

The policy knows what it did by fields that no caller can write: `held_back`, `origin` and
`substitute_for`. What a grant's reason says, and who changed it since, is nothing to it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from authz_service.domain.audit import AuditRecord
from authz_service.domain.grant import GrantOrigin, HeldBack, RoleGrant
from authz_service.store.facts import Facts
from authz_service.store.policy_grants import policy_grants
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants.role_grants import enter, take


@dataclass
class PolicyGrants:
    """What the members hold, or will, and what is held back from them: both kept up to date."""

    tx: Transaction
    tenant: str

    def __post_init__(self) -> None:
        grants = policy_grants(self.tx.connection, self.tenant)
        self._held_back: defaultdict[str, list[RoleGrant]] = defaultdict(list)
        for grant in filter(lambda grant: grant.held_back, grants):
            self._held_back[grant.subject].append(grant)
        self.anybody_lacks_a_seat = any(map(_is_for_want_of_a_seat, grants))

    @cached_property
    def _held(self) -> defaultdict[str, list[RoleGrant]]:
        by_subject: defaultdict[str, list[RoleGrant]] = defaultdict(list)
        for grant in Facts(self.tx.connection).role_grants(self.tenant):
            if not grant.held_back:
                by_subject[grant.subject].append(grant)
        return by_subject

    def running(self, subject: str) -> tuple[RoleGrant, ...]:
        """List what a member holds, now or later."""
        grants = self._held[subject]
        return tuple(grant for grant in grants if grant.window.valid_until > self.tx.now)

    def held_back(self) -> list[RoleGrant]:
        """List what is held back, what stands in for another grant last."""
        grants = (grant for of_member in self._held_back.values() for grant in of_member)
        return sorted(grants, key=lambda grant: (bool(grant.substitute_for), *_likeness(grant)))

    def is_held_back(self, grant: RoleGrant) -> bool:
        return grant in self._held_back[grant.subject]

    def lacks_a_seat(self, subject: str) -> bool:
        """Tell whether the policy took a member's roles for want of a seat."""
        return any(map(_is_for_want_of_a_seat, self._all(subject)))

    def forget(self, subject: str) -> None:
        """Take note that all grants of a member have ended."""
        self._held.pop(subject, None)
        self._held_back.pop(subject, None)

    def hold_back(self, grant: RoleGrant, why: HeldBack) -> RoleGrant:
        """Hold a grant back, or end it if one like it is held back already; return that one."""
        self._held[grant.subject].remove(grant)
        for other in self._held_back[grant.subject]:
            if _likeness(other) == _likeness(grant):
                take(self.tx, grant)
                return other
        held_back = self._write("role.held_back", grant, replace(grant, held_back=why))
        self._held_back[grant.subject].append(held_back)
        return held_back

    def give_back(self, grant: RoleGrant) -> None:
        """Let a grant that is held back be what it was; what stands in for it ends.

        It ends itself if one like it was granted meanwhile, or its role is gone.
        """
        self._held_back[grant.subject].remove(grant)
        self._end(other for other in self._all(grant.subject) if other.substitute_for == grant.id)
        back = replace(grant, held_back=HeldBack.NO)
        if self._holds(back) or self.tx.index.role(back.role) is None:
            take(self.tx, grant)
        else:
            self._held[grant.subject].append(self._write("role.restored", grant, back))

    def give(self, grant: RoleGrant) -> None:
        """Grant a role, unless the same grant is in force."""
        if not self._holds(grant):
            self._held[grant.subject].append(enter(self.tx, grant))

    def end_read_only(self, subject: str) -> str:
        """End what a member was given for want of a seat; return its role, or ""."""
        grants = [g for g in self._all(subject) if g.origin is GrantOrigin.READ_ONLY]
        self._end(grants)
        return grants[0].role if grants else ""

    def give_back_seat(self, subject: str) -> None:
        """Give back all that is held back for want of a seat."""
        for grant in tuple(self._held_back[subject]):
            if grant.held_back is HeldBack.NO_SEAT:
                self.give_back(grant)

    def _holds(self, grant: RoleGrant) -> bool:
        return _likeness(grant) in map(_likeness, self._held[grant.subject])

    def _all(self, subject: str) -> list[RoleGrant]:
        return [*self._held[subject], *self._held_back[subject]]

    def _end(self, grants: Iterable[RoleGrant]) -> None:
        """End grants, and whatever stands in for them."""
        for grant in grants:
            of_member = self._held_back if grant.held_back else self._held
            of_member[grant.subject].remove(grant)
            take(self.tx, grant)
            self._end(g for g in self._all(grant.subject) if g.substitute_for == grant.id)

    def _write(self, action: str, before: RoleGrant, after: RoleGrant) -> RoleGrant:
        after = replace(after, revision=self.tx.index.revision + 1)
        self.tx.change(before, after)
        targets, reason = (after.subject,), self.tx.call.reason
        self.tx.record(AuditRecord(action, after.tenant, targets, before, after, reason))
        return after


def _is_for_want_of_a_seat(grant: RoleGrant) -> bool:
    return grant.origin is GrantOrigin.READ_ONLY or grant.held_back is HeldBack.NO_SEAT


def _likeness(grant: RoleGrant) -> tuple[object, ...]:
    """Give what makes two grants of one tenant the same; it sorts."""
    window = grant.window
    return (
        *(grant.subject, grant.role, grant.scope),
        *(window.valid_from, window.valid_until, grant.source),
    )
