"""The longer answers of AuthorizationService as messages."""

from authz_service.domain.catalog import ADD_ON
from authz_service.domain.decision import DecisionReason, Usage
from authz_service.domain.rules import Rule
from authz_service.engine.entitlements import Entitlements, LimitInForce
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.rpc.messages import catalog, tenants, values
from authz_service.rpc.messages.remedies import remedy_message
from authz_service.rpc.messages.values import CLASS_OF, REASONS
from authz_service.usecases.decisions.explain import Explained


def entitlements(found: Entitlements, revision: int) -> pb.GetEntitlementsResponse:
    return pb.GetEntitlementsResponse(
        state=tenants.STATES[found.state],
        tier=found.tier,
        add_ons=[add_on.removeprefix(ADD_ON) for add_on in found.add_ons],
        features=[
            pb.EntitledFeature(
                feature=catalog.feature_message(feature.feature), source=feature.source
            )
            for feature in found.features
        ],
        limits=[_limit(each) for each in found.limits],
        permissions=[
            pb.EntitledPermission(permission=permission.permission, source=permission.source)
            for permission in found.permissions
        ],
        exceptions=[values.exception_message(exception) for exception in found.exceptions],
        revision=revision,
    )


def limit(
    reason: DecisionReason, usage: Usage, found: LimitInForce | None, revision: int
) -> pb.CheckLimitResponse:
    message = pb.CheckLimitResponse(
        allowed=reason is DecisionReason.ALLOWED,
        reason=REASONS[reason],
        reason_class=CLASS_OF[reason],
        revision=revision,
    )
    if found is not None:
        message.limit.CopyFrom(_limit(found))
        if found.limit.value is not None:
            message.remaining = max(0, found.limit.value - usage.used)
    return message


def explained(told: Explained) -> pb.ExplainResponse:
    decision = told.explanation.decision
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
            for layer in told.explanation.layers
        ],
        rules=[_rule(rule) for rule in told.rules],
        remedies=[remedy_message(remedy) for remedy in told.explanation.remedies],
        at=values.timestamp(told.at),
        revision=decision.revision,
    )


def _rule(rule: Rule) -> pb.ExplainedRule:
    return pb.ExplainedRule(
        ptype=rule.ptype, values=rule.values, **values.window_fields(rule.window)
    )


def _limit(found: LimitInForce) -> pb.EntitledLimit:
    return pb.EntitledLimit(limit=catalog.limit_message(found.limit), sources=found.sources)
