"""`authz keys`: the callers of this service."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from authz_service.cli import output as out
from authz_service.cli.options import Limit, Reason, Until, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.cli.words import instant, timestamp
from authz_service.gen.authz.v1 import key_pb2 as pb

app = typer.Typer(help="API keys of those who call this service.")


@changes(app)
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    *,
    role: Annotated[
        list[str],
        typer.Option(
            "--role",
            metavar="ROLE",
            help="checker, operator, provisioner or auditor. Repeat for more.",
        ),
    ],
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", metavar="TENANT", help="For this tenant only. Repeat for more."),
    ] = None,
    until: Until = None,
) -> None:
    """Make a key. It is shown this once: keep it."""
    request = pb.CreateKeyRequest(
        display_name=name, roles=role, tenants=tenant or (), expire_time=timestamp(until)
    )
    answer = session.keys.CreateKey(request)
    credential = Text(answer.credential, "bold")
    if not answer.credential and not session.dry_run:
        lost = f"shown before and not again: authz keys revoke {answer.key.id}, create another"
        credential = Text(lost, "red")
    session.show(
        answer,
        _table([answer.key]),
        *([out.facts([("\nkey", Text("\n") + credential)])] if credential else []),
        note="shown this once: keep it" if answer.credential else "",
    )


@reads(app, "list")
def list_keys(session: Session, limit: Limit = None) -> None:
    """List the keys in force, without their secrets."""
    answer = every(session.keys.ListKeys, pb.ListKeysRequest(), lambda page: page.keys, limit)
    found = answer.keys
    session.show(answer, _table(found), note=total(len(found), "key", answer))


@changes(app)
def revoke(
    session: Session,
    key: Annotated[str, typer.Argument(metavar="ID", help="As authz keys list shows it.")],
    reason: Reason = "",
) -> None:
    """End a key; calls with it fail from now on."""
    answer = session.keys.RevokeKey(pb.RevokeKeyRequest(id=key, reason=reason))
    session.show(answer, _table([answer.key]), note="revoked")


def _table(keys: Iterable[pb.Key]) -> Table:
    rows = [
        (each.id, each.display_name, out.listed(each.roles),
         out.listed(each.tenants) or "all", instant(each.create_time),
         instant(each.expire_time) or "never")
        for each in keys
    ]  # fmt: skip
    return out.table(("ID", "NAME", "ROLES", "TENANTS", "MADE", "ENDS"), rows)
