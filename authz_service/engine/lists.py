"""Many answers at once: one subject's permissions, one permission's subjects."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from authz_service.domain.decision import Question
from authz_service.domain.window import ALWAYS, Instant
from authz_service.engine.decide import decide, tenant_objection
from authz_service.engine.index import Index, TenantEntry


def allowed(
    index: Index,
    tenant_id: str,
    subject: str,
    scopes: tuple[str, ...],
    permissions: Sequence[str],
    at: Instant,
) -> list[bool]:
    """Decide each permission for one subject, in the order given; the same answers as `decide`."""
    tenant = index.tenants.get(tenant_id)
    if tenant is None or tenant_objection(tenant, at) is not None:
        return [False] * len(permissions)
    member = tenant.members.get(subject)
    if isinstance(member, int) and _plain(tenant):
        roles, plans, find = member, tenant.plans, index.permissions.get
        return [
            (entry := find(name)) is not None
            and entry.roles & roles != 0
            and (entry.internal or entry.plans & plans != 0)
            for name in permissions
        ]
    return [
        decide(index, Question(tenant_id, subject, name, scopes), at).allowed
        for name in permissions
    ]


def permissions_of(
    index: Index, tenant_id: str, subject: str, scopes: tuple[str, ...], at: Instant
) -> list[str]:
    """List the permissions that the subject has, in byte order."""
    names = sorted(index.permissions)
    answers = allowed(index, tenant_id, subject, scopes, names, at)
    return [name for name, answer in zip(names, answers, strict=True) if answer]


def subjects_with(
    index: Index,
    tenant_id: str,
    permission: str,
    scopes: tuple[str, ...],
    at: Instant,
    after: str = "",
) -> Iterator[str]:
    """Find the members that have the permission, in byte order, those after one only.

    No more of them are looked at than are asked for.
    """
    tenant = index.tenants.get(tenant_id)
    subjects = tenant.members.ordered() if tenant else []
    for place in range(bisect_right(subjects, after), len(subjects)):
        question = Question(tenant_id, subjects[place], permission, scopes)
        if decide(index, question, at).allowed:
            yield subjects[place]


def _plain(tenant: TenantEntry) -> bool:
    """Tell whether the tenant's entitlement is its plans without windows, and nothing else."""
    return not tenant.exceptions and all(
        item.window == ALWAYS for item in tenant.fact.subscription_items
    )
