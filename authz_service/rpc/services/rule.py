"""RuleService: the rules for other Casbin enforcers, and theirs for us."""

from typing import Final

from authz_service.gen.authz.v1 import rule_pb2 as pb
from authz_service.reference.foreign_model import Line
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import values
from authz_service.usecases.casbin_rules import export_rules, import_rules
from authz_service.usecases.casbin_rules.export_rules import ExportRules
from authz_service.usecases.casbin_rules.import_rules import ImportRules
from authz_service.usecases.kernel import preconditions

MAX_RULES: Final = 20_000
"""Rules that one call may carry."""


class RuleServicer:
    def __init__(self, calls: AdminCalls, model: str) -> None:
        self._calls = calls
        self._model = model

    def ExportRules(
        self, request: pb.ExportRulesRequest, context: Context
    ) -> pb.ExportRulesResponse:
        answer = self._calls.read(request, context, export_rules.export_rules, _export)
        page = answer.value
        return pb.ExportRulesResponse(
            rules=[pb.CasbinRule(ptype=rule.ptype, values=rule.values) for rule in page.rules],
            next_page_token=page.next_token,
            revision=page.revision,
            at=values.timestamp(page.at),
            model="" if request.page_token else self._model,
        )

    def ImportRules(
        self, request: pb.ImportRulesRequest, context: Context
    ) -> pb.ImportRulesResponse:
        answer = self._calls.change(request, context, import_rules.import_rules, _import)
        return pb.ImportRulesResponse(
            made=answer.value.made,
            left_out=[pb.LeftOutRule(number=n, why=why) for n, why in answer.value.left_out],
            renamed=answer.value.renamed,
            expanded=[pb.ExpandedRule(number=n, into=into) for n, into in answer.value.expanded],
            unheld_roles=answer.value.unheld,
            revision=answer.revision,
        )


def _import(request: pb.ImportRulesRequest) -> ImportRules:
    preconditions.batch(len(request.rules), "rules", at_least=1, at_most=MAX_RULES)
    lines = (Line(at, rule.ptype, tuple(rule.values)) for at, rule in enumerate(request.rules, 1))
    return ImportRules(
        model=request.model,
        lines=tuple(lines),
        tier=request.tier or "imported",
        into=request.into,
        roles=tuple(request.roles),
        people=tuple(request.people),
    )


def _export(request: pb.ExportRulesRequest) -> ExportRules:
    return ExportRules(
        tenant=request.tenant, moment=values.moment(request), page=values.page(request)
    )
