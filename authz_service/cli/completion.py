"""Names for the shell to complete, asked of the server while somebody types."""

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import typer

from authz_service.cli.display.output import listed
from authz_service.cli.session import Session

Named: TypeAlias = tuple[str, str]
"""An id, and what it stands for; shells that can show both do."""

Ask: TypeAlias = Callable[[Session], Iterable[Named]]

_PATIENCE: Final = 1.0
"""Seconds: whoever pressed the key waits for so long at most."""

_MOST: Final = 1000
"""Names, one page: nobody reads on to complete a word."""


def tenants(context: typer.Context, incomplete: str) -> list[Named]:
    """Complete the id of a tenant."""

    def ask(session: Session) -> Iterable[Named]:
        from authz_service.gen.authz.v1 import tenant_pb2

        answer = session.tenants.ListTenants(tenant_pb2.ListTenantsRequest(page_size=_MOST))
        return [(tenant.id, tenant.display_name) for tenant in answer.tenants]

    return _beginning(context, incomplete, ask)


def roles(context: typer.Context, incomplete: str) -> list[Named]:
    """Complete the id of a role: a global one, or the tenant's own if one was named before."""

    def ask(session: Session) -> Iterable[Named]:
        from authz_service.gen.authz.v1 import role_pb2 as pb

        tenant = context.params.get("tenant")
        for owner in ("", tenant) if isinstance(tenant, str) else ("",):
            request = pb.ListRolesRequest(tenant=owner, page_size=_MOST, include_reserved=True)
            answer = session.roles.ListRoles(request)
            yield from ((role.id, role.description) for role in answer.roles)

    return _beginning(context, incomplete, ask)


def tiers(context: typer.Context, incomplete: str) -> list[Named]:
    """Complete the id of a tier."""

    def ask(session: Session) -> Iterable[Named]:
        from authz_service.gen.authz.v1 import tier_pb2 as pb

        answer = session.tiers.ListTiers(pb.ListTiersRequest(page_size=_MOST))
        return [(tier.id, tier.description) for tier in answer.tiers]

    return _beginning(context, incomplete, ask)


def subjects(context: typer.Context, incomplete: str) -> list[Named]:
    """Complete a subject among the members of the tenant that was named before."""

    def ask(session: Session) -> Iterable[Named]:
        from authz_service.gen.authz.v1 import member_pb2

        tenant = context.params.get("tenant")
        if not isinstance(tenant, str):
            return []
        request = member_pb2.ListMembersRequest(tenant=tenant, page_size=_MOST)
        answer = session.members.ListMembers(request)
        return [(member.subject, listed(member.roles)) for member in answer.members]

    return _beginning(context, incomplete, ask)


def permissions(context: typer.Context, incomplete: str) -> list[Named]:
    """Complete a permission."""

    def ask(session: Session) -> Iterable[Named]:
        from authz_service.gen.authz.v1 import permission_pb2 as pb

        request = pb.ListPermissionsRequest(page_size=_MOST, include_reserved=True)
        answer = session.permissions.ListPermissions(request)
        return [(permission.id, permission.description) for permission in answer.permissions]

    return _beginning(context, incomplete, ask)


def keys(context: typer.Context, incomplete: str) -> list[Named]:
    """Complete the id of a key."""

    def ask(session: Session) -> Iterable[Named]:
        from authz_service.gen.authz.v1 import key_pb2 as pb

        answer = session.keys.ListKeys(pb.ListKeysRequest(page_size=_MOST))
        return [(key.id, key.display_name) for key in answer.keys]

    return _beginning(context, incomplete, ask)


def _beginning(context: typer.Context, incomplete: str, ask: Ask) -> list[Named]:
    addresses = (context.params.get("address"), context.find_root().params.get("address"))
    try:
        session = Session(address=next(filter(None, addresses), ""), timeout=_PATIENCE)
        return [name for name in ask(session) if name[0].startswith(incomplete)]
    except Exception:  # noqa: BLE001
        # What is printed here lands in the middle of the line that somebody types, and nothing is
        # decided by it: without a server, a key or the right, there is nothing to propose.
        return []
