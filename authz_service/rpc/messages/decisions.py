"""The longer answers of AuthorizationService as messages."""

from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from google.protobuf.message import Message

from authz_service.domain.catalog import ADD_ON, split_version
from authz_service.domain.decision import DecisionReason, Usage
from authz_service.domain.rules import Rule
from authz_service.engine.entitlements import Entitlements, LimitInForce
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.rpc.messages import catalog, exceptions, tenants, values
from authz_service.rpc.messages.remedies import remedy_message
from authz_service.rpc.messages.values import CLASS_OF, REASONS
from authz_service.usecases.decisions.decider import Admitted
from authz_service.usecases.decisions.explain import Explained

_SOURCES: Final = {"addon": "add_on", "exception": "exception", "tenant": "tenant"}

M = TypeVar("M", bound=Message)

_timestamp: Final = lru_cache(maxsize=16)(values.timestamp)
"""One instant is told by every answer until the database is read again."""


def dated(response: M, admitted: Admitted) -> M:
    """Write what an answer comes from, and up to when that is complete."""
    message, origin = cast(Any, response), admitted.origin
    message.as_of_time.CopyFrom(_timestamp(origin.as_of))
    message.history = origin.history.id
    if origin.stale:
        message.stale = True
    return response


def entitlements(match: Entitlements, revision: int) -> pb.GetEntitlementsResponse:
    return pb.GetEntitlementsResponse(
        state=tenants.STATES[match.state],
        tier=match.tier,
        add_ons=[add_on.removeprefix(ADD_ON) for add_on in match.add_ons],
        features=[
            pb.EntitledFeature(
                feature=catalog.feature_message(feature.feature), source=_source(feature.source)
            )
            for feature in match.features
        ],
        limits=[_limit(limit_in_force) for limit_in_force in match.limits],
        permissions=[
            pb.EntitledPermission(
                permission=permission.permission, source=_source(permission.source)
            )
            for permission in match.permissions
        ],
        exceptions=[exceptions.exception_message(exception) for exception in match.exceptions],
        revision=revision,
    )


def limit(
    reason: DecisionReason, usage: Usage, limit_in_force: LimitInForce | None, revision: int
) -> pb.CheckLimitResponse:
    message = pb.CheckLimitResponse(
        allowed=reason is DecisionReason.ALLOWED,
        reason=REASONS[reason],
        reason_class=CLASS_OF[reason],
        revision=revision,
    )
    if limit_in_force is not None:
        message.limit.CopyFrom(_limit(limit_in_force))
        if limit_in_force.limit.value is not None:
            message.remaining = max(0, limit_in_force.limit.value - usage.used)
    return message


def explained(answer: Explained, approver: str) -> pb.ExplainResponse:
    """Write an explanation; `approver` is whom its remedies name as approving an exception."""
    decision = answer.explanation.decision
    return pb.ExplainResponse(
        allowed=decision.allowed,
        reason=REASONS[decision.reason],
        reason_class=CLASS_OF[decision.reason],
        layers=[
            pb.ExplainedLayer(
                layer=layer.name,
                agrees=layer.reason is DecisionReason.ALLOWED,
                reason=REASONS[layer.reason],
                summary=layer.summary,
            )
            for layer in answer.explanation.layers
        ],
        rules=[_rule(rule) for rule in answer.rules],
        remedies=[remedy_message(remedy, approver) for remedy in answer.explanation.remedies],
        at_time=values.timestamp(answer.at),
        revision=decision.revision,
    )


def _rule(rule: Rule) -> pb.ExplainedRule:
    return pb.ExplainedRule(
        ptype=rule.ptype, values=rule.values, **values.window_fields(rule.window)
    )


def _limit(limit_in_force: LimitInForce) -> pb.EntitledLimit:
    return pb.EntitledLimit(
        limit=catalog.limit_message(limit_in_force.limit),
        sources=map(_source, limit_in_force.sources),
    )


def _source(source: str) -> pb.EntitlementSource:
    """Write what entitles: `tier/pro@3`, `addon/audit`, `exception/4f1c`, `tenant/acme`."""
    kind, _, name = source.partition("/")
    if kind == "tier":
        tier, version = split_version(name)
        return pb.EntitlementSource(tier=tier, tier_version=version)
    return pb.EntitlementSource(**{_SOURCES[kind]: name})  # type: ignore[arg-type] # a text
