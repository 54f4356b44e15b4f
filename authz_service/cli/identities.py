"""`authz identities`: callers of this service by token or by certificate."""

from collections.abc import Iterable
from typing import Annotated, Final

import typer
from rich.table import Table

from authz_service.cli import completion
from authz_service.cli import output as out
from authz_service.cli.options import Limit, Reason, Until, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.cli.words import instant, timestamp
from authz_service.gen.authz.v1 import identity_pb2 as pb

app = typer.Typer(help="Callers of this service by token or certificate, without a key.")

_KINDS: Final = {
    pb.IDENTITY_KIND_TOKEN: "token",
    pb.IDENTITY_KIND_CERTIFICATE: "certificate",
}

IdentityId = Annotated[str, typer.Argument(metavar="ID", help="As authz identities list shows it.")]


@changes(app)
def register(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The token's sub, or a URI, DNS name or common name of the certificate.",
        ),
    ],
    *,
    role: Annotated[
        list[str],
        typer.Option(
            "--role",
            metavar="ROLE",
            help="checker, operator, product, provisioner or auditor. Repeat for more.",
            autocompletion=completion.roles,
        ),
    ],
    issuer: Annotated[
        str,
        typer.Option(
            "--issuer",
            metavar="URL",
            help="The token's iss, as AUTHZ_JWT_ISSUER has it; left out for a certificate.",
        ),
    ] = "",
    tenant: Annotated[
        list[str] | None,
        typer.Option(
            "--tenant",
            metavar="TENANT",
            help="For this tenant only. Repeat for more.",
            autocompletion=completion.tenants,
        ),
    ] = None,
    display_name: Annotated[
        str, typer.Option("--display-name", metavar="TEXT", help="What people call it.")
    ] = "",
    until: Until = None,
    reason: Reason = "",
) -> None:
    """Let a caller in by its token or certificate, with these roles."""
    identity = pb.Identity(
        kind=pb.IDENTITY_KIND_TOKEN if issuer else pb.IDENTITY_KIND_CERTIFICATE,
        issuer=issuer,
        name=name,
        display_name=display_name,
        roles=role,
        tenants=tenant or (),
        expire_time=timestamp(until),
    )
    request = pb.RegisterIdentityRequest(identity=identity, reason=reason)
    answer = session.identities.RegisterIdentity(request)
    session.show(answer, _table([answer.identity]), note="registered")


@reads(app, "get")
def get_identity(session: Session, identity: IdentityId) -> None:
    """Show one identity."""
    answer = session.identities.GetIdentity(pb.GetIdentityRequest(id=identity))
    session.show(answer, _table([answer.identity]))


@reads(app, "list")
def list_identities(session: Session, limit: Limit = None) -> None:
    """List the identities, those that have ended by themselves too."""
    answer = every(
        session.identities.ListIdentities,
        pb.ListIdentitiesRequest(),
        lambda page: page.identities,
        limit,
    )
    found = answer.identities
    session.show(answer, _table(found), note=total(len(found), "identity", answer))


@changes(app)
def remove(session: Session, identity: IdentityId, reason: Reason = "") -> None:
    """End an identity; its calls fail from now on."""
    request = pb.RemoveIdentityRequest(id=identity, reason=reason)
    answer = session.identities.RemoveIdentity(request)
    session.show(answer, _table([answer.identity]), note="removed")


def _table(identities: Iterable[pb.Identity]) -> Table:
    rows = [
        (each.id, _KINDS.get(each.kind, ""), each.name, each.issuer, each.display_name,
         out.listed(each.roles), out.listed(each.tenants) or "all",
         instant(each.expire_time) or "never")
        for each in identities
    ]  # fmt: skip
    columns = ("ID", "KIND", "NAME", "ISSUER", "CALLED", "ROLES", "TENANTS", "ENDS")
    return out.table(columns, rows)
