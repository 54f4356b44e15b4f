"""The first revision: the shipped policy, the tenant `system`, and an operator's key.

Later ones: the rights that a new version brings.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.catalog import TIER, Permission
from authz_service.domain.key import KeyKind, digest, write
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import SYSTEM, Holding, Tenant
from authz_service.store.unit_of_work import Store
from authz_service.usecases.callers.keys import CreateKey, make_key
from authz_service.usecases.catalog.apply_policy import put_all

SEEDER = Actor("service:authz")
"""The service itself, in the audit."""

INTERNAL_TIER = "internal"
OPERATOR = "operator"


def seed(store: Store, policy: PolicySet) -> bool:
    """Put the policy and the tenant `system` into an empty database, in one transaction.

    Returns False, and does nothing, if the database has any revision already.
    """
    call = Call(SEEDER, reason="first start")
    with store.transaction(call) as tx:
        if tx.index.revision:
            return False
        put_all(tx, policy)
        system = Tenant(SYSTEM, "authz-service", holdings=(Holding(TIER + INTERNAL_TIER),))
        tx.change(None, system)
        tx.record(AuditRecord("tenant.onboarded", SYSTEM, (SYSTEM,), None, system, call.reason))
    return True


def first_key(store: Store, secret: str, keep: Callable[[str], None]) -> None:
    """Make an operator's key and hand it to `keep`; do nothing if there is any key already.

    It is kept before it is committed: a crash in between leaves a key that opens nothing and a
    database that makes another one, never a database that nobody can open.
    """
    call = Call(SEEDER, reason="first operator key")
    with store.transaction(call) as tx:
        if tx.index.keys:
            return
        wanted = CreateKey(
            secret_hash=digest(secret),
            roles=(OPERATOR,),
            display_name="first operator key",
            kind=KeyKind.OPERATOR,
        )
        keep(write(KeyKind.OPERATOR, make_key(tx, wanted).id, secret))


def add_rights(store: Store, rights: Iterable[Permission]) -> tuple[str, ...]:
    """Declare the rights of this version that an older one did not know, and name them.

    The role `operator` gets them, if there is one: nobody else could give them to anybody. All
    else is as people have made it, what they took from the operator too.
    """
    with store.transaction(Call(SEEDER, reason="rights that this version brings")) as tx:
        missing = [right for right in rights if right.id not in tx.index.permissions]
        names = tuple(sorted(each.id for each in missing))
        if not missing:
            return ()
        for each in missing:
            tx.change(None, each)
        entry = tx.index.role(OPERATOR)
        before = entry.fact if entry is not None else None
        after = before and replace(before, permissions=before.permissions.union(names))
        tx.change(before, after)
        tx.record(AuditRecord("rights.added", SYSTEM, names, before, after, tx.call.reason))
    return names
