"""`authz members`: who belongs to a customer's account."""

from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli import output as out
from authz_service.cli.options import Limit, Reason, Subject, Tenant, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.cli.words import word
from authz_service.gen.authz.v1 import provisioning_pb2 as pb

app = typer.Typer(help="Who belongs to a customer's account.")


@changes(app)
def add(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="A role to grant too. Repeat for more."),
    ] = None,
    reason: Reason = "",
) -> None:
    """Make a subject a member."""
    member = pb.NewMember(subject=subject, roles=role or ())
    request = pb.AddMemberRequest(tenant=tenant, member=member, reason=reason)
    answer = session.provisioning.AddMember(request)
    session.show(answer, _facts(answer.member))


@changes(app)
def remove(session: Session, tenant: Tenant, subject: Subject, reason: Reason = "") -> None:
    """End a membership and every role grant of it."""
    request = pb.RemoveMemberRequest(tenant=tenant, subject=subject, reason=reason)
    answer = session.provisioning.RemoveMember(request)
    session.show(answer, _facts(answer.member))


@reads(app, "list")
def list_members(session: Session, tenant: Tenant, limit: Limit = None) -> None:
    """List an account's members."""
    request = pb.ListMembersRequest(tenant=tenant)
    answer = every(session.provisioning.ListMembers, request, lambda page: page.members, limit)
    rows = [
        (each.subject, word(pb.MembershipState, each.state), out.listed(each.roles))
        for each in answer.members
    ]
    session.show(
        answer,
        out.table(("SUBJECT", "STATE", "ROLES"), rows),
        note=total(len(rows), "member", answer),
    )


@reads(app)
def get(session: Session, tenant: Tenant, subject: Subject) -> None:
    """Show one member."""
    request = pb.GetMemberRequest(tenant=tenant, subject=subject)
    answer = session.provisioning.GetMember(request)
    session.show(answer, _facts(answer.member))


def new_member(text: str) -> pb.NewMember:
    """Read `user:alice=admin,editor`.

    A subject's id may hold `=`, a role's may not: the last one divides.
    """
    subject, equals, roles = text.rpartition("=")
    if not equals:
        return pb.NewMember(subject=text)
    return pb.NewMember(subject=subject, roles=[role for role in roles.split(",") if role])


def _facts(member: pb.Member) -> Table:
    suspensions = [word(pb.SuspensionReason, each) for each in member.suspensions]
    return out.facts(
        [
            ("tenant", member.tenant),
            ("subject", member.subject),
            ("state", word(pb.MembershipState, member.state)),
            ("suspended for", out.listed(suspensions)),
            ("roles", out.listed(member.roles)),
        ]
    )
