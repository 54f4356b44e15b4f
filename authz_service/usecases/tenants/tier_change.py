"""Another tier, seen before it is bought; and what is put in order once it is held."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from authz_service.domain.billing_policy import Downgrade, Excess
from authz_service.domain.catalog import MAX_NUMBER, SEATS, Limit
from authz_service.domain.change import Revision
from authz_service.domain.identifiers import checked
from authz_service.domain.schedule import items_changing_at
from authz_service.domain.window import ALWAYS, Instant, Window
from authz_service.engine import seats
from authz_service.engine.effect import Shift, TenantEffect, Value, effect
from authz_service.engine.effect_summary import Counted
from authz_service.engine.entitlements import limit_in_force
from authz_service.engine.impact import ImpactKind, TenantImpact, tenant_impacts
from authz_service.engine.index import Index
from authz_service.errors import AuthzError, ErrorReason, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.dry_run import ahead, dry_run, next_step
from authz_service.usecases.kernel.execution import ChangeCase, View, change, long_read
from authz_service.usecases.kernel.paging import sample_size
from authz_service.usecases.members import roster
from authz_service.usecases.tenants.downgrade import fit
from authz_service.usecases.tenants.downgrade_step import Step
from authz_service.usecases.tenants.onboarding import SetTier, set_tier
from authz_service.usecases.tenants.subscriptions import (
    AddAddOn,
    RemoveAddOn,
    add_add_on,
    remove_add_on,
)

NAMED_MEMBERS: Final = 100
MAX_USES: Final = 100


@dataclass(frozen=True, slots=True)
class Use:
    """How much is used of a limit that the product counts."""

    limit: str
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewTierChange:
    """`tier` "" is the present one, `at` None is now, `sample` 0 takes NAMED_MEMBERS.

    `apply` counts what the policy would do as a part of the change. At an instant ahead it does so
    by itself, if anything changes then.
    """

    tenant: str
    tier: str = ""
    add_ons: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    at: Instant | None = None
    apply: bool = False
    usage: tuple[Use, ...] = ()
    sample: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyDowngradePolicy:
    tenant: str


@dataclass(frozen=True, slots=True)
class MemberShift:
    """Members for whom the same changes, by subject."""

    shift: Shift
    members: Counted


@dataclass(frozen=True, slots=True)
class Exceeded:
    """More is used than there would be; `limit` None where nothing sets the limit any more."""

    name: str
    limit: Limit | None
    used: int
    policy: Excess | None


@dataclass(frozen=True, slots=True)
class TierChange:
    """What the change would do at `revision`. `steps` are those of the downgrade policy."""

    revision: Revision
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    features: tuple[Value, ...]
    limits: tuple[Value, ...]
    members: tuple[MemberShift, ...]
    exceeded: tuple[Exceeded, ...] = ()
    impacts: tuple[TenantImpact, ...] = ()
    steps: tuple[Step, ...] = ()


@long_read
def preview_tier_change(view: View, query: PreviewTierChange) -> TierChange:
    """Make the change by the use cases that will make it, write nothing, and compare."""
    tenant = preconditions.customer(view.index, query.tenant)
    sample = sample_size(query.sample, NAMED_MEMBERS)
    _require_sound(query)
    with dry_run(view) as tx:
        policy = in_force(tx.index).downgrade
        at = tx.now if query.at is None else query.at
        _make(tx, query)
        moved = ahead(tx)
        steps: tuple[Step, ...] = ()
        if query.at is None or items_changing_at(preconditions.customer(moved, tenant.id), at):
            with next_step(tx) as then:
                then.now = at
                steps = fit(then, tenant.id, policy)
        final = ahead(tx) if query.apply else moved
        tier_change = account_change(tx.index, final, tenant.id, at, sample)
        return replace(
            tier_change,
            exceeded=tuple(exceeded(moved, tenant.id, policy, at, query.usage)),
            impacts=tuple(_impacts(tx.index, moved, at)),
            steps=steps,
        )


def account_change(
    before: Index, after: Index, tenant: str, at: Instant, sample: int
) -> TierChange:
    """Tell what one account and its members gain and lose between two indexes."""
    every = effect(before, after, at)
    tenant_effect = next((use for use in every if use.tenant == tenant), _NOTHING)
    return TierChange(
        before.revision,
        tenant_effect.gained,
        tenant_effect.lost,
        tenant_effect.features,
        tenant_effect.limits,
        tuple(_shifts(tenant_effect, sample)),
    )


@change
def apply_downgrade_policy(tx: Transaction, command: ApplyDowngradePolicy) -> tuple[Step, ...]:
    """Hold back what no longer fits after a scheduled move or an event; restore what fits again."""
    tenant = preconditions.running_customer(tx.index, command.tenant, tx.now)
    return fit(tx, tenant.id, in_force(tx.index).downgrade)


def _make(tx: Transaction, query: PreviewTierChange) -> None:
    """Make the change step by step. Its refusals name the fields of the preview."""
    tenant, at = query.tenant, query.at
    window = ALWAYS if at is None else Window(at)
    if query.tier:
        _step(tx, set_tier, SetTier(tenant=tenant, tier=query.tier, at=at))
    for number, name in enumerate(query.removed):
        missing = RemoveAddOn(tenant=tenant, add_on=name, at=at)
        _step(tx, remove_add_on, missing, f"removed_add_ons[{number}]")
    for number, name in enumerate(query.add_ons):
        new = AddAddOn(tenant=tenant, add_on=name, window=window)
        _step(tx, add_add_on, new, f"add_ons[{number}]")


def _step(tx: Transaction, case: ChangeCase[Any, Any], question: object, field: str = "") -> None:
    try:
        with next_step(tx) as step:
            case.body(step, question)
    except AuthzError as refusal:
        if refusal.field == "add_on":
            refusal.field = field
        raise


def _shifts(tenant_effect: TenantEffect, sample: int) -> Iterator[MemberShift]:
    for shift, subjects in tenant_effect.subjects.items():
        yield MemberShift(shift, Counted(len(subjects), subjects[:sample]))


def exceeded(
    index: Index, tenant_id: str, policy: Downgrade, at: Instant, usage: Iterable[Use] = ()
) -> Iterator[Exceeded]:
    """List the limits of which more is used than there is; seats are counted here."""
    tenant = preconditions.customer(index, tenant_id)
    counted = Use(SEATS, seats.taken(index, tenant.id, at))
    for use in (counted, *usage):
        match = limit_in_force(index, tenant, use.limit, at)
        value = match.limit.value if match is not None else 0
        unsold = match is None and use is counted  # not sold by seats
        if value is not None and use.used > value and not unsold:
            excess = policy.limits.get(use.limit)
            limit = match.limit if match is not None else None
            yield Exceeded(use.limit, limit, use.used, excess)


def _impacts(before: Index, after: Index, at: Instant) -> Iterator[TenantImpact]:
    """Leave out what `exceeded` says already."""
    for impact in tenant_impacts(before, after, at):
        if impact.kind is not ImpactKind.SEATS_BELOW_TAKEN:
            yield impact


def _require_sound(query: PreviewTierChange) -> None:
    if not (query.tier or query.add_ons or query.removed):
        raise _wrong("name a tier to move to, or add-ons to give or take", "tier")
    preconditions.batch(len(query.usage), "usage", at_most=MAX_USES)
    roster.require_each_once([use.limit for use in query.usage], "usage")
    for number, use in enumerate(query.usage):
        checked("limit", use.limit, f"usage[{number}].limit")
        if use.limit == SEATS:
            raise _wrong("seats are counted here; leave them out", f"usage[{number}].limit")
        if not 0 <= use.used <= MAX_NUMBER:
            raise _wrong(f"what is used is 0 to {MAX_NUMBER}", f"usage[{number}].used")


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)


_NOTHING: Final = TenantEffect("", (), (), (), (), {})
