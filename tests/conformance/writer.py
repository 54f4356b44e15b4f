"""A process that writes to a database: `python -m tests.conformance.writer URL NAME`.

It says "ready"; then it makes one permission for each line that it reads, and answers with the
revision. The permissions are NAME:p0, NAME:p1 and so on.
"""

import sys
from collections.abc import Iterable
from itertools import count

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Permission
from authz_service.domain.change import Revision
from tests.conformance.store_world import CALL, StoreWorld, opened


def write(world: StoreWorld, names: Iterable[str], tenant: str) -> list[Revision]:
    """Make one permission a transaction, audited in the tenant's chain."""
    made = []
    for name in names:
        with world.store.transaction(CALL) as tx:
            tx.change(None, Permission(name))
            tx.record(AuditRecord("permission.created", tenant, (name,)))
        made.append(tx.revision)
    return made


def main(url: str, name: str) -> None:
    with opened(url, name=name) as world:
        say("ready")
        for at, _ in zip(count(), sys.stdin, strict=False):
            say(*write(world, [f"{name}:p{at}"], "shared"))


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
