"""The downgrade policy at work: what no longer fits into an account, and what fits again.

Who has no seat follows from who joined when, and a grant that is held back stays what it was,
except that it gives nothing. So applying the policy again changes nothing, and applying it after
an upgrade gives back what it took: the account ends the same whatever plans it had in between.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.billing_policy import Downgrade, Excess
from authz_service.domain.catalog import SEATS
from authz_service.domain.grant import GrantOrigin, GrantSource, HeldBack, RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import Membership, MembershipState, resumed, suspended
from authz_service.domain.tenant import SuspensionReason, Tenant
from authz_service.domain.window import FOREVER
from authz_service.engine import invariants, seats
from authz_service.engine.entitlements import assignable_roles, limit_in_force
from authz_service.engine.index import MemberEntry
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.joining import joining_order
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.dry_run import next_step
from authz_service.usecases.members import roster
from authz_service.usecases.tenants.downgrade_step import Step, StepKind
from authz_service.usecases.tenants.policy_grants import PolicyGrants

WHY: Final = "downgrade policy"
"""How the reasons of what it does begin, for people to read."""

_MOST_REASON: Final = 1000


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
        self._grants = PolicyGrants(self.tx, self.tenant.id)
        offered = assignable_roles(self.tx.index, self.tenant, self.tx.now)
        roles = self.policy.roles.items()
        self._leaving = {role: other for role, other in roles if role not in offered}

    @cached_property
    def _order(self) -> list[str]:
        return joining_order(self.tx.connection, self.tenant.id)

    @cached_property
    def _kept(self) -> frozenset[str]:
        """Name the owner, and an admin who is active: the same, as a rule."""
        tx, tenant = self.tx, self.tenant.id
        owner = roster.owner_of(tx.index, tenant)
        first = [owner.subject] if owner is not None else []
        admins = (
            s for s in (*first, *self._order) if invariants.is_admin(tx.index, tenant, s, tx.now)
        )
        return frozenset((*first, *(admin for admin in [next(admins, "")] if admin)))

    def seats(self) -> None:
        """Find room for everybody, or suspend those for whom there is none."""
        over = self._over()
        if self._excess is not Excess.BLOCK_NEW:
            over -= self._end_invitations(over)
        waiting = any(
            isinstance(member, MemberEntry)
            and SuspensionReason.SEATS in member.membership.suspensions
            for _, member in self._members.items()
        )
        if over <= 0 and not waiting and not self._grants.anybody_lacks_a_seat:
            return
        crowd = self._newest(over)
        for subject in self._order:
            self._hold_back(subject, subject in crowd)
        for subject in self._order:
            self._read_only(subject, subject in crowd)

    def given_back(self) -> None:
        """Give back the roles that were held back and do not leave any more.

        Whoever lacks a seat has them back with the seat.
        """
        for grant in self._grants.held_back():
            still_held_back = self._grants.is_held_back(grant)  # and did not stand in for another
            leaves = grant.role in self._leaving
            if still_held_back and not leaves and not self._grants.lacks_a_seat(grant.subject):
                self._grants.give_back(grant)
                self._done(StepKind.ROLE_RESTORED, grant.subject, grant.role, scope=grant.scope)

    def held_back(self) -> None:
        """Replace or end what the policy names among the roles that left the account's plans."""
        if self.tx.changes or self._anybody_holds(self._leaving):
            for subject in self._order:
                for grant in self._grants.running(subject):
                    if grant.role in self._leaving:
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
        limit = limit_in_force(self.tx.index, self.tenant, SEATS, self.tx.now)
        bought = limit.limit.value if limit is not None else None
        occupied = seats.taken(self.tx.index, self.tenant.id, self.tx.now)
        return max(0, occupied - bought) if bought is not None else 0

    def _end_invitations(self, over: int) -> int:
        """End up to so many invitations that take a seat, the last ones first; tell how many."""
        taking = [sent for sent in self._invitations.values() if self._takes_a_seat(sent)]
        latest = sorted(taking, key=_last_sent, reverse=True)[:over]
        for invitation in latest:
            del self._invitations[invitation.id]
            roster.end_invitation(self.tx, "invitation.revoked", invitation)
            member = self.tx.index.member(self.tenant.id, invitation.subject)
            if member is not None:
                roster.end_membership(self.tx, member, but=invitation)
                self._order.remove(member.subject)
                self._grants.forget(member.subject)
            self._done(StepKind.INVITATION_ENDED, invitation.subject or invitation.email)
        return len(latest)

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
            and self._has_seat(subject)
        )
        return frozenset(subject for subject, _ in zip(joined, range(over), strict=False))

    def _has_seat(self, subject: str) -> bool:
        """Tell whether a member counts: where the tier says so, a suspended one does not."""
        member = self._members.get(subject)
        freeing = seats.suspended_free_seats(self.tx.index, self.tenant, self.tx.now)
        return not freeing or member is None or seats.takes_seat(member)

    def _hold_back(self, subject: str, crowded: bool) -> None:
        suspend = crowded and self._excess is Excess.SUSPEND_NEWEST
        member = self._member(subject)
        if suspend is (SuspensionReason.SEATS in member.suspensions):
            return
        if suspend:
            after = suspended(member, SuspensionReason.SEATS)
            roster.changed(self.tx, "member.suspended", member, after)
            self._done(StepKind.MEMBER_SUSPENDED, subject)
        else:
            after = resumed(member, SuspensionReason.SEATS)
            roster.changed(self.tx, "member.resumed", member, after)
            self._done(StepKind.MEMBER_RESUMED, subject)

    def _read_only(self, subject: str, crowded: bool) -> None:
        if crowded and self._excess is Excess.READ_ONLY_EXCESS:
            self._take_all_but_reading(subject)
        elif self._grants.lacks_a_seat(subject):
            role = self._grants.end_read_only(subject)
            self._grants.give_back_seat(subject)
            self._done(StepKind.MEMBER_RESTORED, subject, role)

    def _take_all_but_reading(self, subject: str) -> None:
        role, grants = self.policy.read_only_role, self._grants.running(subject)
        reads = any(grant.origin is GrantOrigin.READ_ONLY for grant in grants)
        if reads or all(grant.role == role for grant in grants):
            return
        self._require_offered(role)
        for grant in grants:
            self._grants.hold_back(grant, HeldBack.NO_SEAT)
        reason = f"{WHY}, no seat: {self.why}"[:_MOST_REASON]
        read_only = RoleGrant(self.tenant.id, subject, role, reason=reason)
        source, origin = GrantSource.CONTRACT, GrantOrigin.READ_ONLY
        self._grants.give(replace(read_only, source=source, origin=origin))
        self._done(StepKind.MEMBER_READ_ONLY, subject, replacement=role)

    def _move(self, grant: RoleGrant, other: str) -> None:
        runs = not grant.scope and self._is_admin(grant.role) and not self._is_admin(other)
        endless = grant.window.covers(self.tx.now) and grant.window.valid_until == FOREVER
        if grant.subject in self._kept and runs and endless:
            return
        held_back = self._grants.hold_back(grant, HeldBack.NOT_OFFERED)
        if other:
            self._require_offered(other)
            reason = f"{WHY}, instead of {grant.role}: {self.why}"[:_MOST_REASON]
            substitute = replace(grant, role=other, reason=reason, origin=GrantOrigin.SUBSTITUTE)
            self._grants.give(replace(substitute, substitute_for=held_back.id))
        kind = StepKind.ROLE_REPLACED if other else StepKind.ROLE_ENDED
        self._done(kind, grant.subject, grant.role, other, grant.scope)

    def _promise(self, invitation: Invitation, leaving: dict[str, str]) -> None:
        """Let an invitation promise roles that can be granted when it is accepted."""
        roles = [role for role in invitation.roles if role in leaving]
        if not roles:
            return
        promised = {leaving.get(role, role) for role in invitation.roles} - {""}
        self._require_offered(*(leaving[role] for role in roles if leaving[role]))
        after = replace(invitation, roles=tuple(sorted(promised)))
        self.tx.change(invitation, after)
        what, why = (invitation.id,), self.tx.call.reason
        action = "invitation.roles_replaced"
        self.tx.record(AuditRecord(action, invitation.tenant, what, invitation, after, why))
        for role in roles:
            kind = StepKind.ROLE_REPLACED if leaving[role] else StepKind.ROLE_ENDED
            self._done(kind, invitation.subject or invitation.email, role, leaving[role])

    def _is_admin(self, role: str) -> bool:
        entry = self.tx.index.role(role)
        return entry is not None and entry.fact.admin

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


def _last_sent(invitation: Invitation) -> tuple[object, ...]:
    return invitation.sent_at, invitation.subject, invitation.email


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
