"""A decision with its reasons: the engine's own account, and Casbin's beside it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

import structlog

from authz_service.domain.change import Fact, Revision
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.rules import Rule
from authz_service.domain.scheduled_changeset import in_force
from authz_service.domain.tenant import TenantState
from authz_service.domain.window import Instant
from authz_service.engine import scheduled
from authz_service.engine.builder import build
from authz_service.engine.explain import Explanation, explain
from authz_service.engine.index import Index
from authz_service.reference.decision import Reference
from authz_service.store.database import Database
from authz_service.store.endings import ended_with_tenant
from authz_service.store.facts import Facts
from authz_service.usecases.decisions.history import PointInTime
from authz_service.usecases.kernel.point_in_time import Moment, resolved

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Explained:
    explanation: Explanation
    rules: tuple[Rule, ...]
    """Those that Casbin decided by, in the order in which they link."""
    at: Instant


class Explainer:
    """Answers Explain, and decides a few live questions a second time.

    `disagreements` counts how often Casbin, over the stored rules of the same revision, answered
    otherwise than the index: any number but 0 is a fault of ours. `looking_back` finds what other
    questions about another moment are answered from.
    """

    def __init__(self, database: Database, model: str, clock: Callable[[], Instant]) -> None:
        self._database = database
        self._model = model
        self._clock = clock
        self.looking_back = PointInTime(database)
        self.disagreements = 0

    def explain(self, index: Index, question: Question, moment: Moment) -> Explained:
        """Decide and tell why, as of a moment; `index` is the newest.

        Raises:
            InvalidArgument: INVALID_FIELD: the moment is not there.
            Unavailable: the database, which holds the rules, does not answer.
        """
        at, revision = resolved(self.looking_back.named(moment), index, self._clock())
        newest = index.revision
        facts = self._facts(revision, question, at)
        if revision != newest:
            index = build(facts, revision)
        index = scheduled.in_force(index, at)
        explanation = explain(index, question, at, self._returning(index, question, at))
        if revision != newest:
            explanation = replace(explanation, remedies=())  # what is past cannot be changed
        reference = Reference(self._model, facts, at)
        self._compare(explanation.decision.allowed, reference.decide(question), index, question)
        return Explained(explanation, reference.rules_that_mattered(question), at)

    def _returning(self, index: Index, question: Question, at: Instant) -> tuple[Fact, ...]:
        """Read what a reactivation of the tenant would bring back of this subject."""
        tenant = index.tenant(question.tenant)
        if tenant is None or tenant.state_at(at) is not TenantState.OFFBOARDED:
            return ()
        with self._database.read() as connection:
            ended = ended_with_tenant(connection, tenant)
        members = (m for m in ended.memberships if m.subject == question.subject)
        grants = (g for g in ended.role_grants if g.subject == question.subject)
        return (*members, *grants, *ended.exceptions)

    def verify(self, index: Index, question: Question, at: Instant, *, allowed: bool) -> None:
        """Decide by Casbin what the index has decided, and count a disagreement.

        Raises:
            Unavailable: the database does not answer.
        """
        reference = Reference(self._model, self._facts(index.revision, question, at), at)
        reason = reference.decide(question)
        self._compare(allowed, reason, index, question)

    def _facts(self, revision: Revision, question: Question, at: Instant) -> list[Fact]:
        with self._database.read() as connection:
            changesets = Facts(connection, revision).about(question.tenant, question.subject)
            return in_force(changesets, at)

    def _compare(
        self, allowed: bool, reference: DecisionReason, index: Index, question: Question
    ) -> None:
        if allowed != (reference is DecisionReason.ALLOWED):
            self.disagreements += 1
            log.critical(
                "index and Casbin disagree",
                allowed=allowed,
                casbin=reference.name,
                revision=index.revision,
                tenant=question.tenant,
                # A person is in no log; who has the database finds the subject by its digest.
                subject_sha256=sha256(question.subject.encode()).hexdigest()[:16],
                permission=question.permission,
                scopes=question.scopes,
            )
