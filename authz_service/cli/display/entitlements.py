"""What a customer answer, and where each part comes from."""

from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.exceptions import exception_table
from authz_service.cli.display.plan_values import feature_value, limit_value
from authz_service.cli.display.words import word
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import tenant_pb2


def source_words(source: pb.EntitlementSource) -> str:
    """Write what entitles: `tier pro, version 3`, `add-on audit`, `exception 4f1c`."""
    kind = source.WhichOneof("source") or ""
    version = f", version {source.tier_version}" if source.tier_version else ""
    return f"{kind.replace('_', '-')} {getattr(source, kind)}{version}"


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
        (e.feature.name, feature_value(e.feature), source_words(e.source)) for e in answer.features
    ]
    limits = [
        (e.limit.name, limit_value(e.limit), out.listed(map(source_words, e.sources)))
        for e in answer.limits
    ]
    permissions = [(e.permission, source_words(e.source)) for e in answer.permissions]
    return [
        ("Features", tables.table(("FEATURE", "VALUE", "FROM"), features)),
        ("Limits", tables.table(("LIMIT", "AT MOST", "FROM"), limits)),
        ("Permissions", tables.table(("PERMISSION", "FROM"), permissions)),
        ("Exceptions", exception_table(answer.exceptions)),
    ]
