"""The downgrade policy at work: what no longer fits into an account, and what fits again.

Who has no seat follows from who joined when, and a role that is held back leaves a mark of what it
was. So applying the policy again changes nothing, and applying it after an upgrade gives back what
it took: where an account ends does not depend on the plans that it had in between.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.billing_policy import Downgrade, Excess
from authz_service.domain.catalog import SEATS
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import Membership, MembershipState, resumed, suspended
from authz_service.domain.tenant import SuspensionReason, Tenant
from authz_service.domain.window import FOREVER, Window
from authz_service.engine import laws, seats
from authz_service.engine.entitlements import assignable_roles, limit_in_force
from authz_service.engine.index import MemberEntry
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.facts import Facts
from authz_service.store.joining import (
    grant_before,
    grants_because,
    grants_ended_for,
    joining_order,
)
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants.role_grants import enter, take
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.dry_run import next_step
from authz_service.usecases.members import roster
from authz_service.usecases.tenants.downgrade_step import Step, StepKind

WHY: Final = "downgrade policy"
"""How the audit's reason begins."""

_NO_SEAT: Final = f"{WHY}, no seat: "
"""How the reason of a read-only grant begins, by which it is known again."""

_HELD_BACK: Final = f"{WHY}, not offered: "
"""How the reason of a grant begins that the policy ended: all but its window is as it was."""

_INSTEAD: Final = f"{WHY}, instead of "
"""How the reason of a grant begins that took the place of one that is held back."""

_MOST_REASON: Final = 1000

_MOST_ALIKE: Final = 1000
"""Grants that differ in their windows alone, and are held back at one instant."""


def fit(tx: Transaction, tenant_id: str, policy: Downgrade) -> tuple[Step, ...]:
    """Do what the policy says about an account as this transaction leaves it.

    The owner, or else the admin who joined first, is neither held back nor deprived of an admin
    role. Roles that leave and that the policy does not name stay: checks deny what they no longer
    carry.

    Raises:
        FailedPrecondition: INVALID_BILLING_POLICY; the account's plans do not offer a role that the
            policy puts in the place of others.
    """
    with next_step(tx) as step:
        step.call = replace(tx.call, reason=f"{WHY}: {tx.call.reason}"[:_MOST_REASON])
        tenant = preconditions.customer(step.index, tenant_id)
        fitting = _Fitting(step, tenant, policy, tx.call.reason)
        fitting.seats()
        fitting.given_back()
        fitting.held_back()
        return tuple(fitting.steps)


@dataclass
class _Fitting:
    """The steps so far, and the members and grants that they leave."""

    tx: Transaction
    tenant: Tenant
    policy: Downgrade
    why: str
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        entry = self.tx.index.tenants[self.tenant.id]
        self._members = entry.members
        self._invitations = dict(entry.invitations)
        self._excess = self.policy.limits.get(SEATS, Excess.BLOCK_NEW)
        ours = grants_because(self.tx.connection, self.tenant.id, WHY)
        self._somebody_reads = any(map(self._is_read_only, ours))
        self._marks: defaultdict[str, list[RoleGrant]] = defaultdict(list)
        for grant in filter(self._is_mark, ours):
            self._marks[grant.subject].append(grant)
        offered = assignable_roles(self.tx.index, self.tenant, self.tx.now)
        roles = self.policy.roles.items()
        self._leaving = {role: other for role, other in roles if role not in offered}

    @cached_property
    def _order(self) -> list[str]:
        return joining_order(self.tx.connection, self.tenant.id)

    @cached_property
    def _grants(self) -> dict[str, list[RoleGrant]]:
        """The grants of each member, kept up to date; read when the invited are gone."""
        found: dict[str, list[RoleGrant]] = {subject: [] for subject in self._order}
        for grant in Facts(self.tx.connection).role_grants(self.tenant.id):
            if grant.subject in found and not self._is_mark(grant):
                found[grant.subject].append(grant)
        return found

    @cached_property
    def _kept(self) -> frozenset[str]:
        """Name the owner, and an admin who is active: the same, as a rule."""
        tx, tenant = self.tx, self.tenant.id
        owner = roster.owner_of(tx.index, tenant)
        first = [owner.subject] if owner is not None else []
        admins = (s for s in (*first, *self._order) if laws.is_admin(tx.index, tenant, s, tx.now))
        return frozenset((*first, *(admin for admin in [next(admins, "")] if admin)))

    def seats(self) -> None:
        """Find room for all, or see to those for whom there is none."""
        over = self._over()
        if self._excess is not Excess.BLOCK_NEW:
            over -= self._end_invitations(over)
        waiting = any(
            isinstance(member, MemberEntry)
            and SuspensionReason.SEATS in member.membership.suspensions
            for _, member in self._members.items()
        )
        if over <= 0 and not waiting and not self._somebody_reads:
            return
        crowd = self._newest(over)
        for subject in self._order:
            self._hold_back(subject, subject in crowd)
        for subject in self._order:
            self._read_only(subject, subject in crowd)

    def given_back(self) -> None:
        """Give back the roles that were held back and that leave no more, the last one first.

        Who only reads for want of a seat has them back with the seat.
        """
        marks = [mark for found in self._marks.values() for mark in found]
        for mark in sorted(marks, key=lambda each: each.revision, reverse=True):
            if mark.role not in self._leaving and self.tx.index.role(mark.role):
                self._give_back(mark)

    def held_back(self) -> None:
        """Replace or end what the policy names among the roles that left the account's plans."""
        if self.tx.changes or self._anybody_holds(self._leaving):
            for subject in self._order:
                for grant in tuple(self._grants[subject]):
                    if grant.role in self._leaving and grant.window.valid_until > self.tx.now:
                        self._move(grant, self._leaving[grant.role])
        for invitation in self._invitations.values():
            self._promise(invitation, self._leaving)

    def _anybody_holds(self, roles: Collection[str]) -> bool:
        """Tell whether some member may hold one of the roles, without a look at the database."""
        bits = sum(self.tx.index.role_bits.get(role, 0) for role in roles)
        return any(
            bool(member & bits)
            if isinstance(member, int)
            else any(grant.role in roles for grant in member.grants)
            for _, member in self._members.items()
        )

    def _over(self) -> int:
        """Count the seats taken beyond those that there are."""
        found = limit_in_force(self.tx.index, self.tenant, SEATS, self.tx.now)
        bought = found.limit.value if found is not None else None
        taken = seats.taken(self.tx.index, self.tenant.id, self.tx.now)
        return max(0, taken - bought) if bought is not None else 0

    def _end_invitations(self, over: int) -> int:
        """End up to so many invitations that take a seat, the last ones first; tell how many."""
        taking = [each for each in self._invitations.values() if self._takes_a_seat(each)]
        going = sorted(taking, key=lambda each: (each.sent_at, each.id), reverse=True)[:over]
        for invitation in going:
            del self._invitations[invitation.id]
            roster.end_invitation(self.tx, "invitation.revoked", invitation)
            member = self.tx.index.member(self.tenant.id, invitation.subject)
            if member is not None:
                roster.end_membership(self.tx, member, but=invitation)
                self._order.remove(member.subject)
            self._done(StepKind.INVITATION_ENDED, invitation.subject or invitation.email)
        return len(going)

    def _takes_a_seat(self, invitation: Invitation) -> bool:
        member = self.tx.index.member(self.tenant.id, invitation.subject)
        invited = member is None or member.lifecycle is MembershipState.INVITED
        return invited and invitation.live(self.tx.now)

    def _newest(self, over: int) -> frozenset[str]:
        """Name the last so many to join; the invited take a seat by their invitation alone."""
        joined = (
            subject
            for subject in reversed(self._order)
            if subject not in self._kept
            and self._member(subject).lifecycle is not MembershipState.INVITED
        )
        return frozenset(subject for subject, _ in zip(joined, range(over), strict=False))

    def _hold_back(self, subject: str, crowded: bool) -> None:
        wanted = crowded and self._excess is Excess.SUSPEND_NEWEST
        held = self._member(subject)
        if wanted is (SuspensionReason.SEATS in held.suspensions):
            return
        if wanted:
            after = suspended(held, SuspensionReason.SEATS)
            roster.changed(self.tx, "member.suspended", held, after)
            self._done(StepKind.MEMBER_SUSPENDED, subject)
        else:
            after = resumed(held, SuspensionReason.SEATS)
            roster.changed(self.tx, "member.resumed", held, after)
            self._done(StepKind.MEMBER_RESUMED, subject)

    def _read_only(self, subject: str, crowded: bool) -> None:
        wanted = crowded and self._excess is Excess.READ_ONLY_EXCESS
        role, held = self.policy.read_only_role, self._grants[subject]
        live = [grant for grant in held if grant.window.valid_until > self.tx.now]
        ours = next((grant for grant in held if self._is_read_only(grant)), None)
        if wanted and ours is None and any(grant.role != role for grant in live):
            self._require_offered(role)
            for grant in live:
                self._take(grant)
            source, reason = GrantSource.CONTRACT, f"{_NO_SEAT}{self.why}"
            grant = RoleGrant(self.tenant.id, subject, role, source=source)
            self._give(replace(grant, reason=reason[:_MOST_REASON]))
            self._done(StepKind.MEMBER_READ_ONLY, subject, replacement=role)
        elif not wanted and ours is not None:
            self._restore(ours)

    def _restore(self, ours: RoleGrant) -> None:
        """Give back the roles that ended when this read-only grant was made."""
        connection, tenant, subject = self.tx.connection, self.tenant.id, ours.subject
        self._take(ours)
        for grant in grants_ended_for(connection, tenant, subject, ours.id):
            if self.tx.index.role(grant.role):
                self._again(grant)
        self._done(StepKind.MEMBER_RESTORED, subject, ours.role)

    def _is_read_only(self, grant: RoleGrant) -> bool:
        return grant.source is GrantSource.CONTRACT and grant.reason.startswith(_NO_SEAT)

    def _is_mark(self, grant: RoleGrant) -> bool:
        return grant.reason.startswith(_HELD_BACK) and grant.window.valid_until <= self.tx.now

    def _move(self, grant: RoleGrant, other: str) -> None:
        runs = not grant.scope and self._is_admin(grant.role) and not self._is_admin(other)
        endless = grant.window.covers(self.tx.now) and grant.window.valid_until == FOREVER
        if grant.subject in self._kept and runs and endless:
            return
        self._mark(grant)
        if other:
            self._require_offered(other)
            reason = f"{_INSTEAD}{grant.role}: {self.why}"[:_MOST_REASON]
            self._give(replace(grant, role=other, reason=reason))
        kind = StepKind.ROLE_REPLACED if other else StepKind.ROLE_ENDED
        self._done(kind, grant.subject, grant.role, other, grant.scope)

    def _promise(self, invitation: Invitation, leaving: dict[str, str]) -> None:
        """Let an invitation promise roles that can be granted when it is accepted."""
        going = [role for role in invitation.roles if role in leaving]
        if not going:
            return
        promised = {leaving.get(role, role) for role in invitation.roles} - {""}
        self._require_offered(*(leaving[role] for role in going if leaving[role]))
        after = replace(invitation, roles=tuple(sorted(promised)))
        self.tx.change(invitation, after)
        what, why = (invitation.id,), self.tx.call.reason
        done = "invitation.roles_replaced"
        self.tx.record(AuditRecord(done, invitation.tenant, what, invitation, after, why))
        for role in going:
            kind = StepKind.ROLE_REPLACED if leaving[role] else StepKind.ROLE_ENDED
            self._done(kind, invitation.subject or invitation.email, role, leaving[role])

    def _mark(self, grant: RoleGrant) -> None:
        """End a grant so that it can be given back: it stays, with a window that is over."""
        start = min(grant.window.valid_from, self.tx.now - _MOST_ALIKE)
        over = (Window(start, end) for end in range(self.tx.now, self.tx.now - _MOST_ALIKE, -1))
        mine, held = self._marks[grant.subject], self._grants[grant.subject]
        taken = {_sort(each) for each in (*mine, *held)}
        reason = f"{_HELD_BACK}{self.why}"[:_MOST_REASON]
        marks = (replace(grant, window=window, reason=reason) for window in over)
        mark = next(each for each in marks if _sort(each) not in taken)
        self._write("role.held_back", grant, mark)
        mine.append(mark)
        held.remove(grant)

    def _give_back(self, mark: RoleGrant) -> None:
        """Let a grant be what it was before it was held back; what took its place goes."""
        was = grant_before(self.tx.connection, self.tenant.id, mark.subject, mark.id, _HELD_BACK)
        held = self._grants.get(mark.subject)
        if was is None or held is None or any(map(self._is_read_only, held)):
            return
        self._marks[mark.subject].remove(mark)
        for grant in tuple(held):
            instead = grant.reason.startswith(f"{_INSTEAD}{was.role}: ")
            if instead and _sort(replace(grant, role=was.role)) == _sort(was):
                self._take(grant)
        was = replace(was, role=mark.role)  # of another name by now, where one took its place
        if _sort(was) in map(_sort, held):
            take(self.tx, mark)
        else:
            self._write("role.restored", mark, was)
            held.append(was)
        self._done(StepKind.ROLE_RESTORED, mark.subject, mark.role, scope=mark.scope)

    def _write(self, action: str, before: RoleGrant, after: RoleGrant) -> None:
        after = replace(after, revision=self.tx.index.revision + 1)
        self.tx.change(before, after)
        who, why = (after.subject,), self.tx.call.reason
        self.tx.record(AuditRecord(action, after.tenant, who, before, after, why))

    def _take(self, grant: RoleGrant) -> None:
        take(self.tx, grant)
        self._grants[grant.subject].remove(grant)

    def _give(self, grant: RoleGrant) -> None:
        """Grant a role, unless the same grant is in force."""
        held = self._grants[grant.subject]
        if _sort(grant) not in map(_sort, held):
            held.append(enter(self.tx, grant))

    def _again(self, grant: RoleGrant) -> None:
        """Let a grant that is no fact any more be one as it was, unless the same one is."""
        held = self._grants[grant.subject]
        if _sort(grant) in map(_sort, held):
            return
        back = replace(grant, revision=self.tx.index.revision + 1)
        self.tx.change(None, back)
        who, why = (grant.subject,), self.tx.call.reason
        self.tx.record(AuditRecord("role.restored", grant.tenant, who, None, back, why))
        held.append(back)

    def _is_admin(self, role: str) -> bool:
        found = self.tx.index.role(role)
        return found is not None and found.fact.admin

    def _member(self, subject: str) -> Membership:
        return roster.find(self.tx.index, self.tenant.id, subject)

    def _require_offered(self, *roles: str) -> None:
        missing = set(roles) - assignable_roles(self.tx.index, self.tenant, self.tx.now)
        if missing:
            raise FailedPrecondition(
                ErrorReason.INVALID_BILLING_POLICY,
                f"the downgrade policy gives {_listed(missing)}, which the plans of "
                f"{self.tenant.id!r} do not list as assignable; mend `downgrade` in billing.yaml",
                field="tenant",
                details={"roles": _listed(missing)},
            )

    def _done(
        self, kind: StepKind, subject: str, role: str = "", replacement: str = "", scope: str = ""
    ) -> None:
        self.steps.append(Step(kind, subject, role, replacement, scope))


def _sort(grant: RoleGrant) -> tuple[object, ...]:
    """Give what makes two grants of one member the same."""
    return grant.role, grant.scope, grant.window, grant.source


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
