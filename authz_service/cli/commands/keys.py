"""`authz keys`: the callers of this service."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import RenderableType
from rich.text import Text

from authz_service.cli import completion
from authz_service.cli.commands.callers import ROLES, TENANTS, update_command
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import duration, instant, timestamp, word
from authz_service.cli.family import Family, Option
from authz_service.cli.options import Reason
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.cli.time_options import Overlap, Until, UnusedSince
from authz_service.gen.authz.v1 import key_pb2 as pb

app = typer.Typer(help="API keys of those who call this service.")


class Kind(StrEnum):
    """Kinds of key, as people name them."""

    APP = "app"
    JOB = "job"
    OPERATOR = "operator"
    SCIM = "scim"


_KINDS: Final = {
    Kind.APP: pb.KEY_KIND_APP,
    Kind.JOB: pb.KEY_KIND_JOB,
    Kind.OPERATOR: pb.KEY_KIND_OPERATOR,
    Kind.SCIM: pb.KEY_KIND_SCIM,
}

KeyId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="As authz keys list shows it.", autocompletion=completion.keys
    ),
]

WithRole = Annotated[
    str,
    typer.Option(
        "--role", metavar="ROLE", help="Only with this role.", autocompletion=completion.roles
    ),
]
ForTenant = Annotated[
    str,
    typer.Option(
        "--tenant",
        metavar="TENANT",
        help="Only those bound to this tenant.",
        autocompletion=completion.tenants,
    ),
]
OfKind = Annotated[Kind | None, typer.Option("--kind", help="Only of this kind.")]
Expired = Annotated[
    bool | None,
    typer.Option("--expired/--not-expired", help="Only those that have expired, or have not."),
]


@changes(app)
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    *,
    role: Annotated[list[str], ROLES],
    tenant: Annotated[list[str] | None, TENANTS] = None,
    kind: Annotated[
        Kind | None,
        typer.Option("--kind", help="What its text says it opens; what its roles open."),
    ] = None,
    until: Until = None,
    reason: Reason = "",
) -> None:
    """Create a key. It is shown this once: keep it."""
    new = pb.Key(
        display_name=name,
        roles=role,
        tenants=tenant or (),
        expire_time=timestamp(until),
        kind=_number(kind),
    )
    answer = session.keys.CreateKey(pb.CreateKeyRequest(key=new, reason=reason))
    lost = f"shown before and not again: authz keys revoke {answer.key.id}, create another"
    _show_credential(session, answer, lost)


@changes(app)
def rotate(
    session: Session,
    key: KeyId,
    *,
    overlap: Overlap = None,
    reason: Reason = "",
) -> None:
    """Issue a new secret for a key. It is shown this once: keep it."""
    request = pb.RotateKeyRequest(id=key, overlap=duration(overlap), reason=reason)
    answer = session.keys.RotateKey(request)
    lost = f"shown before and not again: rotate once more, authz keys rotate {key}"
    _show_credential(session, answer, lost)


@changes(app)
def revoke(
    session: Session,
    key: KeyId,
    *,
    previous: Annotated[
        bool, typer.Option("--previous", help="Only the secret before the last rotation.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Revoke a key; calls with it fail from now on."""
    request = pb.RevokeKeyRequest(id=key, previous_only=previous, reason=reason)
    answer = session.keys.RevokeKey(request)
    note = "its previous secret was revoked" if previous else "revoked"
    session.show(answer, _table([answer.key]), note=note)


def _show_credential(
    session: Session, answer: pb.CreateKeyResponse | pb.RotateKeyResponse, lost: str
) -> None:
    credential = Text(answer.credential, "bold")
    if not answer.credential and not session.dry_run:
        credential = Text(lost, "red")
    session.show(
        answer,
        _table([answer.key]),
        *([tables.facts([("\nkey", Text("\n") + credential)])] if credential else []),
        note="shown this once: keep it" if answer.credential else "",
    )


def _number(kind: Kind | None) -> pb.KeyKind.ValueType:
    return pb.KEY_KIND_UNSPECIFIED if kind is None else _KINDS[kind]


def _facts(key: pb.Key) -> RenderableType:
    return tables.facts(
        [
            ("id", key.id),
            ("name", key.display_name),
            ("kind", _kind(key)),
            ("roles", out.listed(key.roles)),
            ("tenants", out.listed(key.tenants) or "all"),
            ("made", instant(key.create_time)),
            ("ends", instant(key.expire_time) or "never"),
            ("old secret ends", instant(key.previous_expire_time)),
            ("last used", instant(key.last_use_time) or "not yet"),
            ("last changed", f"revision {key.revision}"),
        ]
    )


def _table(keys: Iterable[pb.Key]) -> RenderableType:
    rows = [
        (key.id, key.display_name, _kind(key), out.listed(key.roles),
         out.listed(key.tenants) or "all", instant(key.create_time),
         instant(key.expire_time) or "never", instant(key.previous_expire_time),
         instant(key.last_use_time))
        for key in keys
    ]  # fmt: skip
    columns = ("ID", "NAME", "KIND", "ROLES", "TENANTS", "MADE", "ENDS", "OLD SECRET ENDS")
    return tables.table((*columns, "LAST USED"), rows)


def _kind(key: pb.Key) -> str:
    return word(pb.KeyKind, key.kind)


KEYS: Final = Family(
    app, service=lambda session: session.keys, field="key", shown=_facts, listed=_table
)
KEYS.reads("show", "GetKey", "Show one key, without its secret.", id=KeyId)
KEYS.lists(
    "list",
    "ListKeys",
    "List the keys that were not revoked, without their secrets.",
    role=Option(WithRole),
    for_tenant=Option(ForTenant),
    kind=Option(OfKind, _number),
    expired=Option(Expired),
    unused_since_time=Option(UnusedSince, timestamp),
)
update_command(KEYS, pb.Key, "UpdateKey", KeyId)
