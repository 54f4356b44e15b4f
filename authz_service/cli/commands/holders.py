"""`authz who-may`, `authz what-may`: subjects of a permission, permissions of a subject."""

import typer

from authz_service.cli.display import tables
from authz_service.cli.display.words import demand, moment
from authz_service.cli.options import (
    DECISIONS,
    Latest,
    Limit,
    MinRevision,
    PermissionName,
    Scope,
    Subject,
    Tenant,
)
from authz_service.cli.paging import every, total
from authz_service.cli.registration import reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import At, KnownAt, MaxStaleness
from authz_service.gen.authz.v1 import authorization_pb2 as pb

commands = typer.Typer()


@reads(commands, "who-may", panel=DECISIONS)
def who_may(
    session: Session,
    tenant: Tenant,
    permission: PermissionName,
    *,
    scope: Scope = "",
    min_revision: MinRevision = 0,
    max_staleness: MaxStaleness = None,
    latest: Latest = False,
    at: At = None,
    as_known_at: KnownAt = None,
    limit: Limit = None,
) -> None:
    """List everybody who has a permission."""
    request = pb.ListSubjectsRequest(
        tenant=tenant, permission=permission, scope=scope,
        **demand(min_revision, max_staleness, latest),
        **moment(at, as_known_at),
    )  # fmt: skip
    answer = every(session.authorization.ListSubjects, request, lambda page: page.subjects, limit)
    note = total(len(answer.subjects), "subject", answer)
    rows = [(subject,) for subject in answer.subjects]
    session.show(answer, tables.table(("SUBJECT",), rows), note=note)


@reads(commands, "what-may", panel=DECISIONS)
def what_may(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    *,
    scope: Scope = "",
    min_revision: MinRevision = 0,
    max_staleness: MaxStaleness = None,
    latest: Latest = False,
    at: At = None,
    as_known_at: KnownAt = None,
    limit: Limit = None,
) -> None:
    """List every permission that a subject has."""
    request = pb.ListSubjectPermissionsRequest(
        tenant=tenant, subject=subject, scope=scope, **demand(min_revision, max_staleness, latest),
        **moment(at, as_known_at),
    )  # fmt: skip
    answer = every(
        session.authorization.ListSubjectPermissions, request, lambda page: page.permissions, limit
    )
    note = total(len(answer.permissions), "permission", answer)
    rows = [(permission,) for permission in answer.permissions]
    session.show(answer, tables.table(("PERMISSION",), rows), note=note)
