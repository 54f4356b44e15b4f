"""AuthorizationService: checks, answered from memory."""

from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import partial
from threading import BoundedSemaphore
from typing import Any, Final, Protocol

from authz_service.domain.audit import Actor
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.identifiers import checked
from authz_service.domain.window import Instant
from authz_service.engine import lists
from authz_service.engine.decide import limit_objection, tenant_objection
from authz_service.engine.decide import reason as reason_of
from authz_service.engine.entitlements import entitlements, limit_in_force
from authz_service.engine.index import Index, TenantEntry
from authz_service.engine.scheduled import in_force
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.access import Access
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.rpc.calls import Context
from authz_service.rpc.credentials import Credentials
from authz_service.rpc.messages import decisions, questions, times, values
from authz_service.rpc.messages.values import CLASS_OF, REASONS
from authz_service.rpc.tenants import tenants_of
from authz_service.serving.call_stats import Observation
from authz_service.usecases.decisions.explain import Explainer
from authz_service.usecases.decisions.history import Seen
from authz_service.usecases.kernel import guard, paging, preconditions
from authz_service.usecases.kernel.point_in_time import Moment
from authz_service.usecases.kernel.rights import access_of

_BATCH_CHECK: Final = access_of("BatchCheck")
_CHECK: Final = access_of("Check")
_CHECK_LIMIT: Final = access_of("CheckLimit")
_CHECK_PERMISSIONS: Final = access_of("CheckPermissions")
_EXPLAIN: Final = access_of("Explain")
_GET_ENTITLEMENTS: Final = access_of("GetEntitlements")
_LIST_PERMISSIONS: Final = access_of("ListPermissions")
_LIST_SUBJECTS: Final = access_of("ListSubjects")
_ALLOWED: Final = DecisionReason.ALLOWED
_NOBODY: Final = ""
"""What a tenant bought does not depend on any subject."""


class Replica(Protocol):
    """The replica of this process, as checks need it."""

    @property
    def index(self) -> Index: ...

    def wait_for(self, revision: int, seconds: float) -> Index:
        """Return an index of at least `revision`, or raise Unavailable."""


class AuthorizationServicer:
    """Answers checks.

    `sample` is offered every single decision, for Casbin to decide as well. `max_waiters` calls at
    most wait for a revision at once; a further one is refused if its revision is not here.
    """

    def __init__(
        self,
        replica: Replica,
        explainer: Explainer,
        clock: Callable[[], Instant],
        sample: Callable[[Index, Question, Instant, bool], None],
        max_wait: float,
        max_waiters: int,
        observed: Observation,
        credentials: Credentials,
    ) -> None:
        self._replica = replica
        self._explainer = explainer
        self._clock = clock
        self._sample = sample
        self._max_wait = max_wait
        self._waiters = BoundedSemaphore(max_waiters)
        self._observed = observed
        self._credentials = credentials

    def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        index, at = self._admit(request, context, _CHECK)
        asked = questions.question(request)
        reason = questions.told_apart(reason_of(index, asked, at), asked)
        self._observed.mine.decide(reason)
        self._sample(index, asked, at, reason is _ALLOWED)
        return pb.CheckResponse(
            allowed=reason is _ALLOWED,
            reason=REASONS[reason],
            reason_class=CLASS_OF[reason],
            revision=index.revision,
        )

    def BatchCheck(self, request: pb.BatchCheckRequest, context: Context) -> pb.BatchCheckResponse:
        index, at = self._admit(request, context, _BATCH_CHECK)
        preconditions.batch(len(request.questions), "questions", at_least=1)
        reasons = _reasons(index, request.questions, at)
        self._observed.mine.decide_all(reasons)
        return pb.BatchCheckResponse(
            allowed=[reason is _ALLOWED for reason in reasons],
            reasons=[REASONS[reason] for reason in reasons],
            revision=index.revision,
        )

    def CheckPermissions(
        self, request: pb.CheckPermissionsRequest, context: Context
    ) -> pb.CheckPermissionsResponse:
        index, at = self._admit(request, context, _CHECK_PERMISSIONS)
        preconditions.batch(len(request.permissions), "permissions", at_least=1)
        tenant = checked("tenant", request.tenant)
        subject = checked("subject", request.subject)
        scopes = questions.scopes(request.scope)
        decisions = lists.allowed(index, tenant, subject, scopes, request.permissions, at)
        for name, answer in zip(request.permissions, decisions, strict=True):
            if not answer and name not in index.permissions:
                checked("permission", name, "permissions")
        self._observed.mine.answer_all(decisions)
        return pb.CheckPermissionsResponse(allowed=decisions, revision=index.revision)

    def ListPermissions(
        self, request: pb.ListPermissionsRequest, context: Context
    ) -> pb.ListPermissionsResponse:
        admitted = self._admitted(request, context, _LIST_PERMISSIONS)
        checked("tenant", request.tenant)
        subject = checked("subject", request.subject)
        index, at = self._seen(admitted, request, subject)
        tenant = preconditions.tenant(index, request.tenant).id
        scopes = questions.scopes(request.scope)
        found = lists.permissions_of(index, tenant, subject, scopes, at)
        query = ["ListPermissions", tenant, subject, request.scope, *_moment(request)]
        page = paging.page(found, str, values.page(request), query)
        return pb.ListPermissionsResponse(
            permissions=page.items, next_page_token=page.next_token, revision=index.revision
        )

    def ListSubjects(
        self, request: pb.ListSubjectsRequest, context: Context
    ) -> pb.ListSubjectsResponse:
        admitted = self._admitted(request, context, _LIST_SUBJECTS)
        index, at = self._seen(admitted, request, None)
        tenant = preconditions.tenant(index, request.tenant).id
        permission = preconditions.permission(index, request.permission, "permission")
        scopes = questions.scopes(request.scope)
        found = lists.subjects_with(index, tenant, permission, scopes, at)
        query = ["ListSubjects", tenant, permission, request.scope, *_moment(request)]
        page = paging.page(found, str, values.page(request), query)
        return pb.ListSubjectsResponse(
            subjects=page.items, next_page_token=page.next_token, revision=index.revision
        )

    def GetEntitlements(
        self, request: pb.GetEntitlementsRequest, context: Context
    ) -> pb.GetEntitlementsResponse:
        admitted = self._admitted(request, context, _GET_ENTITLEMENTS)
        index, at = self._seen(admitted, request, _NOBODY)
        found = entitlements(index, _tenant(index, request.tenant), at)
        return decisions.entitlements(found, index.revision)

    def CheckLimit(self, request: pb.CheckLimitRequest, context: Context) -> pb.CheckLimitResponse:
        index, at = self._admit(request, context, _CHECK_LIMIT)
        tenant, usage = _tenant(index, request.tenant), questions.usage(request.usage)
        objection = tenant_objection(tenant, at) or limit_objection(index, tenant, usage, at)
        reason = objection or _ALLOWED
        self._observed.mine.decide(reason)
        found = limit_in_force(index, tenant.fact, usage.limit, at)
        return decisions.limit(reason, usage, found, index.revision)

    def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:
        index, _ = self._admitted(request, context, _EXPLAIN)
        # All of it is looked up in the database, where not every text may go.
        checked("tenant", request.tenant)
        checked("subject", request.subject)
        checked("permission", request.permission)
        times.require_sound(request)
        asked = questions.question(request)
        told = self._explainer.explain(index, asked, values.moment_known(request))
        return decisions.explained(told)

    def _admit(self, request: Any, context: Context, access: Access) -> Seen:
        """Let a caller in and give it what to answer from now, waiting for a revision if it must.

        Raises:
            Unauthenticated, PermissionDenied: the caller is unknown, or lacks the right.
            Unavailable: REVISION_NOT_REACHED.
        """
        index, at = self._admitted(request, context, access)
        return in_force(index, at), at

    def _admitted(self, request: Any, context: Context, access: Access) -> Seen:
        """Let a caller in and give the newest revision, and the instant.

        What is about another moment is answered from it: what lies ahead now may not then.

        Raises: as above.
        """
        index = self._replica.index
        at = self._let_in(index, request, context, access)
        demanded = request.min_revision
        if demanded < 0:
            raise _negative(demanded)
        if demanded > index.revision:
            index = self._awaited(demanded, context)
            # What came meanwhile may have revoked the key, and time has passed.
            at = self._let_in(index, request, context, access)
        return index, at

    def _seen(self, admitted: Seen, request: Any, subject: str | None) -> Seen:
        """Give what a question that may be about another moment is answered from."""
        times.require_sound(request)
        tenant = checked("tenant", request.tenant)
        return self._explainer.looking_back.seen(
            admitted, values.moment_known(request), tenant, subject
        )

    def _awaited(self, revision: int, context: Context) -> Index:
        """Wait for a revision; only some threads may, so that checks which need not wait go on.

        Raises:
            Unavailable: REVISION_NOT_REACHED.
        """
        remaining: float | None = context.time_remaining()
        wait = self._max_wait if remaining is None else min(remaining, self._max_wait)
        waiting = self._waiters.acquire(blocking=False)
        try:
            # A little less than the deadline, so that the caller still hears the reason.
            return self._replica.wait_for(revision, wait * 0.9 if waiting else 0)
        finally:
            if waiting:
                self._waiters.release()

    def _let_in(self, index: Index, request: Any, context: Context, access: Access) -> Instant:
        """Return the instant at which the caller was found to hold the right."""
        at = self._clock()
        presented, on_behalf_of = self._credentials.read(context)
        index = in_force(index, at)
        caller = guard.authenticate(index, presented, at)
        self._observed.let_in(caller)
        actor = Actor(caller, on_behalf_of)
        guard.require_for_all(index, actor, access.right, partial(tenants_of, request, access), at)
        return at


def _negative(revision: int) -> InvalidArgument:
    return InvalidArgument(
        ErrorReason.INVALID_FIELD,
        f"min_revision is {revision}; send the revision that a change returned, or 0 for none",
        field="min_revision",
    )


def _reasons(index: Index, messages: Sequence[pb.Question], at: Instant) -> list[DecisionReason]:
    reasons: list[DecisionReason] = []
    try:
        for message in messages:
            asked = questions.question(message)
            reasons.append(questions.told_apart(reason_of(index, asked, at), asked))
    except InvalidArgument as error:
        error.field = f"questions[{len(reasons)}].{error.field}"
        raise
    return reasons


def _moment(request: Any) -> list[str]:
    """Tell the moment that the pages of one list have in common; nothing if it is now."""
    moment = values.moment_known(request)
    return [] if moment == Moment() else list(map(str, astuple(moment)))


def _tenant(index: Index, tenant: str) -> TenantEntry:
    return index.tenants[preconditions.tenant(index, tenant).id]
