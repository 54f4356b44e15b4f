"""The one road to a decision, for every edge that gives any.

Admit the caller, wait for the revision it demands, decide, count, offer the decision to the shadow.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from authz_service.domain.audit import Actor
from authz_service.domain.decision import Decision, DecisionReason, Question, Usage
from authz_service.domain.identifiers import checked
from authz_service.domain.identity import Presented
from authz_service.domain.window import Instant
from authz_service.engine import lists
from authz_service.engine.decide import limit_objection, reason, tenant_objection
from authz_service.engine.entitlements import (
    Entitlements,
    LimitInForce,
    entitlements,
    limit_in_force,
)
from authz_service.engine.index import Index
from authz_service.engine.scheduled import in_force
from authz_service.errors import InvalidArgument
from authz_service.replication.replica import Replica
from authz_service.serving.call_stats import Observation
from authz_service.usecases.decisions.explain import Explained, Explainer
from authz_service.usecases.decisions.freshness import (
    NOTHING,
    Bounds,
    Demand,
    Freshness,
    Origin,
    foreign,
)
from authz_service.usecases.decisions.history import Seen
from authz_service.usecases.kernel import guard, preconditions
from authz_service.usecases.kernel.point_in_time import Moment

Offer = Callable[[Index, Question, Instant, bool], None]

_ALLOWED: Final = DecisionReason.ALLOWED
_NOBODY: Final = ""
"""What a tenant bought does not depend on any subject."""

_UNKNOWN: Final = frozenset(
    {
        DecisionReason.UNKNOWN_PERMISSION,
        DecisionReason.UNKNOWN_TENANT,
        # Of a tenant that is closed the subject was not looked up.
        DecisionReason.TENANT_SUSPENDED,
        DecisionReason.TENANT_OFFBOARDED,
        DecisionReason.NOT_A_MEMBER,
    }
)


@dataclass(frozen=True, slots=True)
class DecisionCall:
    """One call at an edge: who shows what, and the right and the tenants that the call is about.

    `seconds_left` says how long the caller still waits, None for without end; it is asked only if
    there is to wait.
    """

    presented: Presented
    on_behalf_of: str
    right: str
    tenants: Callable[[], Collection[str]]
    demand: Demand
    seconds_left: Callable[[], float | None]


class Decider:
    """Answers from memory; only questions about earlier revisions, and Explain, read the database.

    `offer` is given every single decision, for Casbin to decide some of them again.
    """

    def __init__(
        self,
        replica: Replica,
        explainer: Explainer,
        clock: Callable[[], Instant],
        offer: Offer,
        observed: Observation,
        bounds: Bounds,
    ) -> None:
        self.explainer = explainer
        self.observed = observed
        self.offer = offer
        self._replica = replica
        self._clock = clock
        self._freshness = Freshness(replica, bounds)

    def admit(self, call: DecisionCall) -> "Admitted":
        """Let a caller in, and wait for the revision that it demands.

        Raises:
            Unauthenticated, PermissionDenied: the caller is unknown, or lacks the right.
            InvalidArgument: INVALID_FIELD: what is demanded is negative.
            FailedPrecondition: REVISION_OF_OTHER_HISTORY.
            Unavailable: REVISION_NOT_REACHED, REPLICA_STALE.
        """
        admitted = self._let_in(call)
        if call.demand is not NOTHING and self._freshness.meet(call.demand, call.seconds_left):
            # What came meanwhile may have revoked the key, and time has passed.
            return self._let_in(call)
        return admitted

    def _let_in(self, call: DecisionCall) -> "Admitted":
        """Let a caller in as of now, unless what is known here is too old."""
        stale, replica = self._freshness.require_allowed(), self._replica
        as_of, history = replica.complete.at, replica.tip.history
        newest, at = replica.index, self._clock()
        index = in_force(newest, at)
        caller = guard.authenticate(index, call.presented, at)
        self.observed.let_in(caller)
        actor = Actor(caller, call.on_behalf_of)
        guard.require_for_all(index, actor, call.right, call.tenants, at)
        return Admitted(self, newest, at, Origin(as_of, history, stale=stale))


class Admitted:
    """A call that was let in, and what it is answered from: one revision, at one instant.

    Every question raises InvalidArgument for what is malformed in it.
    """

    __slots__ = ("_decider", "_now", "at", "newest", "origin")

    def __init__(self, decider: Decider, newest: Index, at: Instant, origin: Origin) -> None:
        self.newest = newest
        self.at = at
        self.origin = origin
        self._decider = decider
        self._now = in_force(newest, at)

    @property
    def revision(self) -> int:
        return self.newest.revision

    def decide(self, question: Question) -> Decision:
        """Decide one question now."""
        why = _named(reason(self._now, question, self.at), question)
        self._decider.observed.mine.decide(why)
        self._decider.offer(self._now, question, self.at, why is _ALLOWED)
        return Decision(why, self.revision)

    def decide_all(self, questions: Iterable[Question], field: str) -> list[DecisionReason]:
        """Decide many questions; a refusal names the one at fault as an item of `field`."""
        reasons: list[DecisionReason] = []
        try:
            for question in questions:
                why = reason(self._now, question, self.at)
                reasons.append(_named(why, question))
        except InvalidArgument as error:
            error.field = f"{field}[{len(reasons)}].{error.field}"
            raise
        self._decider.observed.mine.decide_all(reasons)
        return reasons

    def allowed(
        self, tenant: str, subject: str, scopes: tuple[str, ...], permissions: Sequence[str]
    ) -> list[bool]:
        """Decide many permissions of one subject."""
        answers = lists.allowed(self._now, tenant, subject, scopes, permissions, self.at)
        for permission, allowed in zip(permissions, answers, strict=True):
            if not allowed and permission not in self._now.permissions:
                checked("permission", permission, "permissions")
        self._decider.observed.mine.answer_all(answers)
        return answers

    def limit(self, tenant_id: str, usage: Usage) -> tuple[DecisionReason, LimitInForce | None]:
        """Decide whether a limit leaves room, and tell what it is."""
        index, at = self._now, self.at
        tenant = index.tenants[preconditions.tenant(index, tenant_id).id]
        objection = tenant_objection(tenant, at) or limit_objection(index, tenant, usage, at)
        why = objection or _ALLOWED
        self._decider.observed.mine.decide(why)
        return why, limit_in_force(index, tenant.fact, usage.limit, at)

    def permissions_of(
        self, moment: Moment, tenant: str, subject: str, scopes: tuple[str, ...]
    ) -> tuple[list[str], int]:
        """List what a subject may do at a moment, in byte order, and the revision that says so."""
        index, at = self._seen(moment, tenant, subject)
        tenant = preconditions.tenant(index, tenant).id
        return lists.permissions_of(index, tenant, subject, scopes, at), index.revision

    def subjects_with(
        self, moment: Moment, tenant: str, permission: str, scopes: tuple[str, ...], after: str
    ) -> tuple[Iterator[str], int]:
        """Find who may do something at a moment, in byte order after one subject, and the revision
        that says so.
        """
        index, at = self._seen(moment, tenant, None)
        tenant = preconditions.tenant(index, tenant).id
        permission = preconditions.permission(index, permission, "permission")
        subjects = lists.subjects_with(index, tenant, permission, scopes, at, after)
        return subjects, index.revision

    def entitlements(self, moment: Moment, tenant: str) -> tuple[Entitlements, int]:
        """Tell what a tenant has at a moment, and the revision that says so."""
        index, at = self._seen(moment, tenant, _NOBODY)
        entry = index.tenants[preconditions.tenant(index, tenant).id]
        return entitlements(index, entry, at), index.revision

    def explain(self, question: Question, moment: Moment) -> Explained:
        """Decide a question at a moment, and tell why. Raises: Unavailable."""
        # All of it is looked up in the database, where not every text may go.
        _check_identifiers(question)
        self._require_ours(moment)
        return self._decider.explainer.explain(self.newest, question, moment)

    def _seen(self, moment: Moment, tenant: str, subject: str | None) -> Seen:
        """Give what a question that may be about another moment is answered from."""
        checked("tenant", tenant)
        self._require_ours(moment)
        history = self._decider.explainer.looking_back
        return history.seen((self.newest, self.at), moment, tenant, subject)

    def _require_ours(self, moment: Moment) -> None:
        """Raises: FailedPrecondition, REVISION_OF_OTHER_HISTORY."""
        if not self.origin.history.has(moment.as_known_at):
            raise foreign("as_known_at", moment.as_known_at, self.origin.history.id)


def _named(why: DecisionReason, question: Question) -> DecisionReason:
    """Return the reason, unless it denies something unknown that could not be known.

    An identifier that the index knows is well-formed, so only an answer that says "unknown" makes
    us look at the alphabet; a check that is allowed costs no pattern.

    Raises:
        InvalidArgument: an identifier of the question is malformed.
    """
    if why in _UNKNOWN:
        _check_identifiers(question)
    return why


def _check_identifiers(question: Question) -> None:
    checked("tenant", question.tenant)
    checked("subject", question.subject)
    checked("permission", question.permission)
