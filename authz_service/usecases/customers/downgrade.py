"""The downgrade policy at work: what no longer fits into an account, and what fits again.

Which members have no seat follows from who joined when and from nothing that was done before, so
applying the policy again changes nothing, and applying it after an upgrade gives back what it took.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

from authz_service.domain.audit import Event
from authz_service.domain.catalogue import SEATS
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import Membership, MembershipState, resumed, suspended
from authz_service.domain.tenant import SuspensionReason, Tenant
from authz_service.domain.window import FOREVER
from authz_service.engine import laws
from authz_service.engine.entitlements import assignable_roles, limit_in_force
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.facts import Facts
from authz_service.store.joining import grants_ended_in, joining_order
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import require
from authz_service.usecases.access.role_grants import enter, take
from authz_service.usecases.contracts.lifecycle_policy import Downgrade, Excess
from authz_service.usecases.customers import roster, seats
from authz_service.usecases.rehearsal import next_step

WHY: Final = "downgrade policy"
"""How the audit's reason begins."""

_NO_SEAT: Final = f"{WHY}, no seat: "
"""How the reason of a read-only grant begins, by which it is known again."""

_MOST_REASON: Final = 1000


class StepKind(StrEnum):
    """What is done about something that no longer fits, or fits again."""

    MEMBER_SUSPENDED = "member-suspended"
    MEMBER_RESUMED = "member-resumed"
    MEMBER_READ_ONLY = "member-read-only"
    MEMBER_RESTORED = "member-restored"
    INVITATION_ENDED = "invitation-ended"
    ROLE_REPLACED = "role-replaced"
    ROLE_ENDED = "role-ended"


@dataclass(frozen=True, slots=True)
class Step:
    """`subject` is a member, or whoever was invited, by subject or else by address."""

    kind: StepKind
    subject: str
    role: str = ""
    replacement: str = ""
    scope: str = ""


def fit(tx: Transaction, tenant_id: str, policy: Downgrade) -> tuple[Step, ...]:
    """Do what the policy says about an account as this transaction leaves it.

    The owner, or else the admin who joined first, is neither held back nor deprived of an admin
    role. Roles that leave and that the policy does not name stay: checks deny what they no longer
    carry.

    Raises:
        FailedPrecondition: INVALID_LIFECYCLE; the account's plans do not offer a role that the
            policy puts in the place of others.
    """
    with next_step(tx) as step:
        step.call = replace(tx.call, reason=f"{WHY}: {tx.call.reason}"[:_MOST_REASON])
        fitting = _Fitting(step, require.customer(step.index, tenant_id), policy)
        fitting.seats()
        fitting.roles()
        return tuple(fitting.steps)


@dataclass
class _Fitting:
    """The steps so far, and the members and grants that they leave."""

    tx: Transaction
    tenant: Tenant
    policy: Downgrade
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        entry = self.tx.index.tenants[self.tenant.id]
        self._order = joining_order(self.tx.connection, self.tenant.id)
        self._invitations = dict(entry.invitations)
        self._excess = self.policy.limits.get(SEATS, Excess.BLOCK_NEW)

    @cached_property
    def _grants(self) -> dict[str, list[RoleGrant]]:
        """The grants of each member, kept up to date; read when the invited are gone."""
        found: dict[str, list[RoleGrant]] = {subject: [] for subject in self._order}
        for grant in Facts(self.tx.connection).role_grants(self.tenant.id):
            if grant.subject in found and grant.window.valid_until > self.tx.now:
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
        crowd = self._newest(over)
        for subject in self._order:
            self._hold_back(subject, subject in crowd)
        for subject in self._order:
            self._read_only(subject, subject in crowd)

    def roles(self) -> None:
        """Replace or end what the policy names among the roles that left the account's plans."""
        offered = assignable_roles(self.tx.index, self.tenant, self.tx.now)
        leaving = {role: other for role, other in self.policy.roles.items() if role not in offered}
        for subject in self._order:
            for grant in tuple(self._grants[subject]):
                if grant.role in leaving:
                    self._move(grant, leaving[grant.role])
        for invitation in self._invitations.values():
            self._promise(invitation, leaving)

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
        ours = next((grant for grant in held if self._is_ours(grant)), None)
        if wanted and ours is None and any(grant.role != role for grant in held):
            self._require_offered(role)
            for grant in tuple(held):
                self._take(grant)
            source, reason = GrantSource.CONTRACT, f"{_NO_SEAT}{self.tx.call.reason}"
            grant = RoleGrant(self.tenant.id, subject, role, source=source)
            self._give(replace(grant, reason=reason[:_MOST_REASON]))
            self._done(StepKind.MEMBER_READ_ONLY, subject, replacement=role)
        elif not wanted and ours is not None:
            self._restore(ours)

    def _restore(self, ours: RoleGrant) -> None:
        """Give back the roles that ended when this read-only grant was made."""
        connection, tenant, subject = self.tx.connection, self.tenant.id, ours.subject
        self._take(ours)
        for grant in grants_ended_in(connection, tenant, subject, ours.revision):
            if grant.window.valid_until > self.tx.now and self.tx.index.role(grant.role):
                self._give_back(grant)
        self._done(StepKind.MEMBER_RESTORED, subject, ours.role)

    def _is_ours(self, grant: RoleGrant) -> bool:
        return grant.source is GrantSource.CONTRACT and grant.reason.startswith(_NO_SEAT)

    def _move(self, grant: RoleGrant, other: str) -> None:
        runs = not grant.scope and self._is_admin(grant.role) and not self._is_admin(other)
        endless = grant.window.covers(self.tx.now) and grant.window.valid_until == FOREVER
        if grant.subject in self._kept and runs and endless:
            return
        self._take(grant)
        if other:
            self._require_offered(other)
            self._give(replace(grant, role=other, reason=self.tx.call.reason))
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
        self.tx.record(Event(done, invitation.tenant, what, invitation, after, why))
        for role in going:
            kind = StepKind.ROLE_REPLACED if leaving[role] else StepKind.ROLE_ENDED
            self._done(kind, invitation.subject or invitation.email, role, leaving[role])

    def _take(self, grant: RoleGrant) -> None:
        take(self.tx, grant)
        self._grants[grant.subject].remove(grant)

    def _give(self, grant: RoleGrant) -> None:
        """Grant a role, unless the same grant is in force."""
        held = self._grants[grant.subject]
        if _sort(grant) not in map(_sort, held):
            held.append(enter(self.tx, grant))

    def _give_back(self, grant: RoleGrant) -> None:
        """Let a grant be in force again as it was, unless the same one is."""
        held = self._grants[grant.subject]
        if _sort(grant) in map(_sort, held):
            return
        back = replace(grant, revision=self.tx.index.revision + 1)
        self.tx.change(None, back)
        who, why = (grant.subject,), self.tx.call.reason
        self.tx.record(Event("role.restored", grant.tenant, who, None, back, why))
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
                ErrorReason.INVALID_LIFECYCLE,
                f"the downgrade policy gives {_listed(missing)}, which the plans of "
                f"{self.tenant.id!r} do not list as assignable; mend `downgrade` in lifecycle.yaml",
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
