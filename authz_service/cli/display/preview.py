"""What changes, for whom, and what somebody has to accept: for people."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import word
from authz_service.gen.authz.v1 import effect_pb2 as pb

SIGNS: Final = {
    pb.OBJECT_CHANGE_KIND_CREATED: ("+ ", "green"),
    pb.OBJECT_CHANGE_KIND_UPDATED: ("~ ", "yellow"),
    pb.OBJECT_CHANGE_KIND_DELETED: ("- ", "red"),
}
_SAID: Final = {
    pb.IMPACT_KIND_ROLE_VANISHES: "goes, and is granted",
    pb.IMPACT_KIND_PLAN_VANISHES: "goes, and is held",
    pb.IMPACT_KIND_ROLE_WIDER_THAN_TIER: "is wider than what is entitled",
    pb.IMPACT_KIND_SEATS_BELOW_TAKEN: "are fewer than are taken",
    pb.IMPACT_KIND_LAST_ADMIN: "is held by nobody any more: the last admin",
    pb.IMPACT_KIND_ROLE_NOT_ASSIGNABLE: "is granted, and is no longer assignable",
}


def preview_parts(preview: pb.Preview) -> Iterator[RenderableType]:
    """Lay out what a dry run would do to objects and people."""
    if preview.objects:
        yield Text("\nWould change", "bold")
        yield from object_parts(preview.objects)
        yield from effect_parts(preview.effect)
        yield from impact_parts(preview.impacts)
    yield from warning_parts(preview.warnings)


def warning_parts(warnings: Iterable[str]) -> Iterator[Text]:
    """Lay out remarks."""
    for warning in warnings:
        yield Text.assemble(("! ", "bold yellow"), tables.shown(warning))


def object_parts(objects: Iterable[pb.ObjectChange]) -> Iterator[Text]:
    """Lay out objects: made, changed field by field, ended."""
    for object_change in objects:
        sign, style = SIGNS[object_change.change]
        name = " ".join(
            part for part in (object_change.kind, _owner(object_change), object_change.id) if part
        )
        yield Text.assemble((sign, style), tables.shown(name))
        if object_change.change == pb.OBJECT_CHANGE_KIND_UPDATED:
            yield from (_field(field) for field in object_change.fields)


def _owner(object_change: pb.ObjectChange) -> str:
    return (
        ""
        if object_change.tenant == object_change.id
        or object_change.id.startswith(f"{object_change.tenant}/")
        else object_change.tenant
    )


def _field(field: pb.FieldChange) -> Text:
    line = Text.assemble("    ", (f"{field.field}  ", "dim"))
    if field.added or field.removed:
        signs = [*((f"+{n}", "green") for n in field.added)]
        signs += [(f"-{n}", "red") for n in field.removed]
        return line.append_text(Text(" ").join(Text(tables.shown(n).plain, s) for n, s in signs))
    before, after = (tables.shown(text or "unset").plain for text in (field.before, field.after))
    return line.append_text(Text.assemble((before, "red"), " → ", (after, "green")))


def effect_parts(effect: pb.Effect) -> Iterator[RenderableType]:
    """Lay out who gains and loses what."""
    yield Text(
        f"\nEffect: {out.counted(effect.subjects_gaining, 'member')} gaining, "
        f"{out.counted(effect.subjects_losing, 'member')} losing; "
        f"{out.counted(effect.tenants, 'tenant')} in all",
        "bold",
    )
    rows = [row for permission in effect.permissions for row in _permission_rows(permission)]
    if rows:
        yield tables.table(("", "PERMISSION", "MEMBERS", "IN TENANTS", "ENTITLED", "SUCH AS"), rows)
    values = [("feature", v) for v in effect.features] + [("limit", v) for v in effect.limits]
    if values:
        yield Text()
        rows = [
            (kind, v.name, v.before or "unset", v.after or "unset", f"{v.tenants:,}",
             _sample(v.tenant_names, v.tenants))
            for kind, v in values
        ]  # fmt: skip
        yield tables.table(("", "NAME", "BEFORE", "AFTER", "TENANTS", "SUCH AS"), rows)


def _permission_rows(permission_effect: pb.PermissionEffect) -> Iterator[tuple[str | Text, ...]]:
    for sign, style, side in (
        ("gain", "green", permission_effect.gained),
        ("lose", "red", permission_effect.lost),
    ):
        if side.subjects or side.entitled_tenants:
            people = [f"{p.tenant} {p.subject}" for p in side.subject_names]
            names = _sample(people, side.subjects) or _sample(
                side.entitled_tenant_names, side.entitled_tenants
            )
            yield (
                Text(sign, style), permission_effect.permission, f"{side.subjects:,}",
                f"{side.subject_tenants:,}", f"{side.entitled_tenants:,}", names,
            )  # fmt: skip


def _sample(names: Sequence[str], total: int, most: int = 3) -> str:
    shown = list(names[:most])
    return out.listed([*shown, f"and {total - len(shown):,} more"] if total > len(shown) else shown)


def impact_parts(impacts: Sequence[pb.Impact]) -> Iterator[RenderableType]:
    """Lay out what somebody should decide."""
    if impacts:
        yield Text("\nNeeds your consent", "bold")
    for impact in impacts:
        style = "bold red" if impact.blocking else "yellow"
        yield Text.assemble(
            ("! ", style),
            tables.shown(f"{impact.object} {_SAID[impact.kind]}: {_where(impact)}"),
            (f"  {_remedy(impact)}" if impact.blocking else "", "bold"),
        )


def impact_name(impact: pb.Impact) -> str:
    """Name an impact as `authz apply --accept` takes it: `seats-below-taken:seats`."""
    return f"{word(pb.ImpactKind, impact.kind).replace('_', '-')}:{impact.object}"


def _where(item: pb.Impact) -> str:
    names = [_in_tenant(impact) for impact in item.in_tenants]
    people = f"{out.counted(item.subjects, 'member')} of " if item.subjects else ""
    return f"{people}{out.counted(item.tenants, 'tenant')} ({_sample(names, item.tenants)})"


def _in_tenant(impact: pb.TenantImpact) -> str:
    more = impact.detail or _sample(impact.subjects, impact.subject_count, 2)
    return f"{impact.tenant}: {more}" if more else impact.tenant


def _remedy(impact: pb.Impact) -> str:
    kind, _, name = impact.object.rpartition("/")
    match impact.kind:
        case pb.IMPACT_KIND_ROLE_VANISHES:
            return f"blocks: --replace role:{impact.object}=OTHER"
        case pb.IMPACT_KIND_PLAN_VANISHES:
            kind = "tier" if kind == "tier" else "add-on"
            return f"blocks: --replace {kind}:{name}=OTHER"
    return "blocks: grant an admin role first"


def effect_rows(effects: Iterable[pb.ChangesetEffect]) -> list[tuple[str, ...]]:
    """Lay out names: one row a tenant or member."""
    return [
        (
            item.tenant, item.subject,
            out.listed(map(_reach, item.gained)), out.listed(map(_reach, item.lost)),
            out.listed(
                f"{v.name}: {v.before or 'unset'} → {v.after or 'unset'}"
                for v in (*item.features, *item.limits)
            ),
        )
        for item in effects
    ]  # fmt: skip


def _reach(reach: pb.Reach) -> str:
    return f"{reach.permission} in {reach.scope}" if reach.scope else reach.permission
