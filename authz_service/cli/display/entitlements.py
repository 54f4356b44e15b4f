"""What a customer answer, and where each part comes from."""

from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.exceptions import exception_table
from authz_service.cli.display.words import word
from authz_service.domain.catalog import in_words
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import feature_pb2, limit_pb2, tenant_pb2


def feature_value(feature: feature_pb2.Feature) -> str:
    """Write what a feature is set to."""
    if feature.WhichOneof("value") == "text":
        return feature.text
    return "on" if feature.enabled else "off"


def limit_value(limit: limit_pb2.Limit) -> str:
    """Write how much of what a limit allows: `50 project`."""
    return f"{amount(limit)} {limit.unit}".strip()


def amount(limit: limit_pb2.Limit) -> str:
    """Write how much a limit allows: `1,000`."""
    return "unlimited" if limit.unlimited else f"{limit.value:,}"


def entitlement_parts(tenant: str, answer: pb.GetEntitlementsResponse) -> list[RenderableType]:
    """Lay out everything answer."""
    facts = [
        ("tenant", tenant),
        ("state", word(tenant_pb2.TenantState, answer.state)),
        ("tier", answer.tier),
        ("add-ons", out.listed(answer.add_ons)),
    ]
    parts: list[RenderableType] = [tables.facts(facts)]
    for title, table in _tables(answer):
        if table.texts:
            parts += [Text(f"\n{title}", "bold"), table]
    return parts


def _tables(answer: pb.GetEntitlementsResponse) -> list[tuple[str, tables.Rows]]:
    features = [
        (e.feature.name, feature_value(e.feature), in_words(e.source)) for e in answer.features
    ]
    limits = [
        (e.limit.name, limit_value(e.limit), out.listed(map(in_words, e.sources)))
        for e in answer.limits
    ]
    permissions = [(e.permission, in_words(e.source)) for e in answer.permissions]
    return [
        ("Features", tables.table(("FEATURE", "VALUE", "FROM"), features)),
        ("Limits", tables.table(("LIMIT", "AT MOST", "FROM"), limits)),
        ("Permissions", tables.table(("PERMISSION", "FROM"), permissions)),
        ("Exceptions", exception_table(answer.exceptions)),
    ]
