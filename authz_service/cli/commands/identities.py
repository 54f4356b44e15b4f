"""`authz identities`: callers of this service by token or by certificate."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import RenderableType

from authz_service.cli.commands.callers import ROLES, TENANTS, update_command
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import instant, timestamp
from authz_service.cli.family import Family
from authz_service.cli.options import Reason
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.cli.time_options import Until
from authz_service.gen.authz.v1 import identity_pb2 as pb

app = typer.Typer(help="Callers of this service by token or certificate, without a key.")


class Proof(StrEnum):
    """How a caller proves itself, as the command line says it."""

    TOKEN = "token"
    URI = "uri"
    DNS = "dns"
    EMAIL = "email"
    IP = "ip"
    COMMON_NAME = "common-name"


_NUMBERS: Final = {
    Proof.TOKEN: pb.IDENTITY_KIND_TOKEN,
    Proof.URI: pb.IDENTITY_KIND_CERTIFICATE_URI,
    Proof.DNS: pb.IDENTITY_KIND_CERTIFICATE_DNS,
    Proof.EMAIL: pb.IDENTITY_KIND_CERTIFICATE_EMAIL,
    Proof.IP: pb.IDENTITY_KIND_CERTIFICATE_IP,
    Proof.COMMON_NAME: pb.IDENTITY_KIND_CERTIFICATE_COMMON_NAME,
}
_KINDS: Final = {number: proof.value for proof, number in _NUMBERS.items()}

IdentityId = Annotated[str, typer.Argument(metavar="ID", help="As authz identities list shows it.")]


@changes(app)
def create(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The token's sub, or a name on the certificate.",
        ),
    ],
    *,
    by: Annotated[
        Proof | None,
        typer.Option(
            "--by",
            help="What NAME is: a token's sub, or which type of a certificate's names; left out, "
            "token with --issuer, and uri without.",
        ),
    ] = None,
    role: Annotated[list[str], ROLES],
    issuer: Annotated[
        str,
        typer.Option(
            "--issuer",
            metavar="URL",
            help="The token's iss, as AUTHZ_JWT_ISSUER has it; left out for a certificate.",
        ),
    ] = "",
    tenant: Annotated[list[str] | None, TENANTS] = None,
    display_name: Annotated[
        str, typer.Option("--display-name", metavar="TEXT", help="What people call it.")
    ] = "",
    until: Until = None,
    reason: Reason = "",
) -> None:
    """Let a caller in by its token or certificate, with these roles."""
    identity = pb.Identity(
        kind=_NUMBERS[by or (Proof.TOKEN if issuer else Proof.URI)],
        issuer=issuer,
        name=name,
        display_name=display_name,
        roles=role,
        tenants=tenant or (),
        expire_time=timestamp(until),
    )
    request = pb.CreateIdentityRequest(identity=identity, reason=reason)
    answer = session.identities.CreateIdentity(request)
    session.show(answer, _table([answer.identity]), note="created")


def _facts(identity: pb.Identity) -> RenderableType:
    return tables.facts(
        [
            ("id", identity.id),
            ("kind", _KINDS.get(identity.kind, "")),
            ("name", identity.name),
            ("issuer", identity.issuer),
            ("called", identity.display_name),
            ("roles", out.listed(identity.roles)),
            ("tenants", out.listed(identity.tenants) or "all"),
            ("made", instant(identity.create_time)),
            ("ends", instant(identity.expire_time) or "never"),
            ("last changed", f"revision {identity.revision}"),
        ]
    )


def _table(identities: Iterable[pb.Identity]) -> RenderableType:
    rows = [
        (
            identity.id,
            _KINDS.get(identity.kind, ""),
            identity.name,
            identity.issuer,
            identity.display_name,
            out.listed(identity.roles),
            out.listed(identity.tenants) or "all",
            instant(identity.expire_time) or "never",
        )
        for identity in identities
    ]
    columns = ("ID", "KIND", "NAME", "ISSUER", "CALLED", "ROLES", "TENANTS", "ENDS")
    return tables.table(columns, rows)


IDENTITIES: Final = Family(
    app,
    service=lambda session: session.identities,
    field="identity",
    plural="identities",
    shown=_facts,
    listed=_table,
)
IDENTITIES.reads("show", "GetIdentity", "Show one identity.", id=IdentityId)
IDENTITIES.lists("list", "ListIdentities", "List the identities, expired ones included.")
update_command(IDENTITIES, pb.Identity, "UpdateIdentity", IdentityId)
replace(IDENTITIES, shown=lambda identity: _table([identity])).changes(
    "delete",
    "DeleteIdentity",
    "Delete an identity; its calls fail from now on.",
    "deleted",
    id=IdentityId,
)
