"""What a tier or add-on carries."""

from authz_service.cli.display import output as out
from authz_service.cli.display.plan_values import limit_value, ranked_value
from authz_service.gen.authz.v1 import add_on_pb2, tier_pb2


def carried(plan: tier_pb2.Tier | add_on_pb2.AddOn) -> list[tuple[str, str]]:
    """Write what a plan carries."""
    return [
        ("features", "\n".join(f"{f.name}: {ranked_value(f)}" for f in plan.features)),
        ("limits", "\n".join(f"{limit.name}: {limit_value(limit)}" for limit in plan.limits)),
        ("assignable roles", out.listed(sorted(plan.assignable_roles))),
        ("permissions", "\n".join(sorted(plan.permissions))),
    ]
