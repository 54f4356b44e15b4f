"""RuleService: the rules for other Casbin enforcers, and theirs for us."""

from typing import Final

from authz_service.gen.authz.v1 import rule_pb2 as pb
from authz_service.reference.foreign_model import Line
from authz_service.rpc.messages import values
from authz_service.rpc.methods import Fields, Service, change, read
from authz_service.usecases.casbin_rules import export_rules, import_rules
from authz_service.usecases.casbin_rules.export_rules import ExportRules, RulesPage
from authz_service.usecases.casbin_rules.import_rules import Imported, ImportRules
from authz_service.usecases.kernel import preconditions

MAX_RULES: Final = 20_000
"""Rules that one call may carry."""


def service(model: str) -> Service:
    """Describe the service; `model` is the text of `model.conf`."""

    def exported(page: RulesPage) -> Fields:
        return {
            "rules": [pb.CasbinRule(ptype=rule.ptype, values=rule.values) for rule in page.rules],
            "next_page_token": page.next_token,
            "revision": page.revision,
            "at_time": values.timestamp(page.at),
            "model": model if page.is_first else "",
        }

    return Service(
        pb.DESCRIPTOR.services_by_name["RuleService"],
        read(export_rules.export_rules, _export, exported),
        change(import_rules.import_rules, _import, _imported),
    )


def _imported(imported: Imported) -> Fields:
    return {
        "made": imported.made,
        "left_out": [pb.LeftOutRule(number=n, why=why) for n, why in imported.left_out],
        "renamed": imported.renamed,
        "expanded": [pb.ExpandedRule(number=n, into=into) for n, into in imported.expanded],
        "unheld_roles": imported.unheld,
    }


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
