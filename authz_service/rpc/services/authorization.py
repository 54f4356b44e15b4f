"""AuthorizationService: messages into questions, decisions into messages."""

from dataclasses import astuple
from functools import partial
from itertools import islice
from typing import Any, Final

from authz_service.domain.decision import DecisionReason
from authz_service.domain.identifiers import checked
from authz_service.gen.access import Access
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.rpc.calls import Context
from authz_service.rpc.credentials import Credentials
from authz_service.rpc.messages import decisions, questions, times, values
from authz_service.rpc.messages.values import CLASS_OF, REASONS
from authz_service.rpc.tenants import tenants_of
from authz_service.usecases.decisions.decider import Admitted, Decider, DecisionCall
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.point_in_time import Moment
from authz_service.usecases.kernel.rights import access_of

_BATCH_CHECK: Final = access_of("BatchCheck")
_CHECK: Final = access_of("Check")
_CHECK_LIMIT: Final = access_of("CheckLimit")
_CHECK_PERMISSIONS: Final = access_of("CheckPermissions")
_EXPLAIN: Final = access_of("Explain")
_GET_ENTITLEMENTS: Final = access_of("GetEntitlements")
_LIST_SUBJECT_PERMISSIONS: Final = access_of("ListSubjectPermissions")
_LIST_SUBJECTS: Final = access_of("ListSubjects")
_ALLOWED: Final = DecisionReason.ALLOWED


class AuthorizationServicer:
    """Asks the decider what callers ask."""

    def __init__(self, decider: Decider, credentials: Credentials) -> None:
        self._decider = decider
        self._credentials = credentials

    def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        admitted = self._admit(request, context, _CHECK)
        reason, revision = admitted.decide(questions.question(request))
        response = pb.CheckResponse(
            allowed=reason is _ALLOWED,
            reason=REASONS[reason],
            reason_class=CLASS_OF[reason],
            revision=revision,
        )
        return decisions.dated(response, admitted)

    def BatchCheck(self, request: pb.BatchCheckRequest, context: Context) -> pb.BatchCheckResponse:
        admitted = self._admit(request, context, _BATCH_CHECK)
        preconditions.batch(len(request.questions), "questions", at_least=1)
        reasons = admitted.decide_all(map(questions.question, request.questions), "questions")
        response = pb.BatchCheckResponse(
            allowed=[reason is _ALLOWED for reason in reasons],
            reasons=[REASONS[reason] for reason in reasons],
            revision=admitted.revision,
        )
        return decisions.dated(response, admitted)

    def CheckPermissions(
        self, request: pb.CheckPermissionsRequest, context: Context
    ) -> pb.CheckPermissionsResponse:
        admitted = self._admit(request, context, _CHECK_PERMISSIONS)
        preconditions.batch(len(request.permissions), "permissions", at_least=1)
        tenant = checked("tenant", request.tenant)
        subject = checked("subject", request.subject)
        scopes = questions.scopes(request.scope)
        allowed = admitted.allowed(tenant, subject, scopes, request.permissions)
        response = pb.CheckPermissionsResponse(allowed=allowed, revision=admitted.revision)
        return decisions.dated(response, admitted)

    def ListSubjectPermissions(
        self, request: pb.ListSubjectPermissionsRequest, context: Context
    ) -> pb.ListSubjectPermissionsResponse:
        admitted = self._admit(request, context, _LIST_SUBJECT_PERMISSIONS)
        moment = _moment(request)
        tenant, subject = checked("tenant", request.tenant), checked("subject", request.subject)
        scopes = questions.scopes(request.scope)
        permissions, revision = admitted.permissions_of(moment, tenant, subject, scopes)
        query = ["ListSubjectPermissions", tenant, subject, request.scope, *_page_of(moment)]
        page = paging.page(permissions, str, values.page(request), query)
        response = pb.ListSubjectPermissionsResponse(
            permissions=page.items, next_page_token=page.next_token, revision=revision
        )
        return decisions.dated(response, admitted)

    def ListSubjects(
        self, request: pb.ListSubjectsRequest, context: Context
    ) -> pb.ListSubjectsResponse:
        admitted = self._admit(request, context, _LIST_SUBJECTS)
        moment, scopes = _moment(request), questions.scopes(request.scope)
        tenant, permission = request.tenant, request.permission
        query = ["ListSubjects", tenant, permission, request.scope, *_page_of(moment)]
        size, after = paging.window(values.page(request), query)
        subjects, revision = admitted.subjects_with(moment, tenant, permission, scopes, after)
        page = paging.cut(list(islice(subjects, size + 1)), str, size, query)
        response = pb.ListSubjectsResponse(
            subjects=page.items, next_page_token=page.next_token, revision=revision
        )
        return decisions.dated(response, admitted)

    def GetEntitlements(
        self, request: pb.GetEntitlementsRequest, context: Context
    ) -> pb.GetEntitlementsResponse:
        admitted = self._admit(request, context, _GET_ENTITLEMENTS)
        bought, revision = admitted.entitlements(_moment(request), request.tenant)
        return decisions.dated(decisions.entitlements(bought, revision), admitted)

    def CheckLimit(self, request: pb.CheckLimitRequest, context: Context) -> pb.CheckLimitResponse:
        admitted = self._admit(request, context, _CHECK_LIMIT)
        usage = questions.usage(request.usage)
        reason, limit = admitted.limit(request.tenant, usage)
        response = decisions.limit(reason, usage, limit, admitted.revision)
        return decisions.dated(response, admitted)

    def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:
        admitted = self._admit(request, context, _EXPLAIN)
        answer = admitted.explain(questions.question(request), _moment(request))
        # A remedy that takes an approval is the caller's proposal, so it is the caller's to sign.
        _, on_behalf_of = self._credentials.read(context)
        by = on_behalf_of or self._decider.observed.mine.caller
        return decisions.dated(decisions.explained(answer, by), admitted)

    def _admit(self, request: Any, context: Context, access: Access) -> Admitted:
        presented, on_behalf_of = self._credentials.read(context)
        call = DecisionCall(
            presented,
            on_behalf_of,
            access.right,
            partial(tenants_of, request, access),
            questions.demand(request),
            context.time_remaining,
        )
        return self._decider.admit(call)


def _moment(request: Any) -> Moment:
    times.require_sound(request)
    return values.moment_known(request)


def _page_of(moment: Moment) -> list[str]:
    """Tell the moment that the pages of one list have in common; nothing if it is now."""
    return [] if moment == Moment() else list(map(str, astuple(moment)))
