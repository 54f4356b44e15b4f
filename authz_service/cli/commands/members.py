"""`authz members`: who belongs to a customer's account."""

from typing import Annotated

import typer
from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import word
from authz_service.cli.options import Limit, Reason, Subject, Tenant
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.domain.membership import MembershipState
from authz_service.domain.tenant import SuspensionReason
from authz_service.gen.authz.v1 import member_pb2, suspension_pb2

app = typer.Typer(help="Who belongs to a customer's account.")

Why = Annotated[
    SuspensionReason,
    typer.Option("--for", help="What suspends the member; each reason is lifted alone."),
]


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
    member = member_pb2.NewMember(subject=subject, roles=role or ())
    request = member_pb2.AddMemberRequest(tenant=tenant, member=member, reason=reason)
    answer = session.members.AddMember(request)
    session.show(answer, member_facts(answer.member))


@changes(app)
def remove(session: Session, tenant: Tenant, subject: Subject, reason: Reason = "") -> None:
    """End a membership and every role grant of it."""
    request = member_pb2.RemoveMemberRequest(tenant=tenant, subject=subject, reason=reason)
    answer = session.members.RemoveMember(request)
    session.show(answer, member_facts(answer.member))


@changes(app)
def suspend(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    why: Why = SuspensionReason.ADMIN,
    reason: Reason = "",
) -> None:
    """Hold a member back: everything is denied to it until each reason is lifted."""
    request = member_pb2.SuspendMemberRequest(
        tenant=tenant, subject=subject, suspension_reason=_suspension(why), reason=reason
    )
    answer = session.members.SuspendMember(request)
    session.show(answer, member_facts(answer.member))


@changes(app)
def resume(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    why: Why = SuspensionReason.ADMIN,
    reason: Reason = "",
) -> None:
    """Lift one reason; the member may act again when no other is left."""
    request = member_pb2.ResumeMemberRequest(
        tenant=tenant, subject=subject, suspension_reason=_suspension(why), reason=reason
    )
    answer = session.members.ResumeMember(request)
    session.show(answer, member_facts(answer.member))


@changes(app, "set-roles")
def set_roles(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    roles: Annotated[
        list[str] | None,
        typer.Argument(metavar="ROLE", help="All it shall hold; none takes every one."),
    ] = None,
    reason: Reason = "",
) -> None:
    """Say which roles a member holds on the whole account: others given by hand are revoked."""
    request = member_pb2.SetMemberRolesRequest(
        tenant=tenant, subject=subject, roles=roles or (), reason=reason
    )
    answer = session.members.SetMemberRoles(request)
    session.show(answer, member_facts(answer.member))


@changes(app, "transfer-ownership")
def transfer_ownership(
    session: Session, tenant: Tenant, subject: Subject, reason: Reason = ""
) -> None:
    """Make another member the owner of the account."""
    request = member_pb2.TransferOwnershipRequest(tenant=tenant, new_owner=subject, reason=reason)
    answer = session.members.TransferOwnership(request)
    session.show(answer, member_facts(answer.owner))


@reads(app, "list")
def list_members(
    session: Session,
    tenant: Tenant,
    *,
    state: Annotated[
        MembershipState | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help="Only those with this role.")
    ] = "",
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help="Only those that begin so: user:al.")
    ] = "",
    owner: Annotated[bool, typer.Option("--owner", help="Only the owner.")] = False,
    limit: Limit = None,
) -> None:
    """List an account's members."""
    request = member_pb2.ListMembersRequest(
        tenant=tenant, role=role, subject_prefix=prefix, owner=owner
    )
    if state:
        request.state = member_pb2.MembershipState.Value(f"MEMBERSHIP_STATE_{state.name}")
    answer = every(session.members.ListMembers, request, lambda page: page.members, limit)
    rows = [
        (member.subject, word(member_pb2.MembershipState, member.state),
         "owner" if member.owner else "", managed_by(member), out.listed(member.roles))
        for member in answer.members
    ]  # fmt: skip
    session.show(
        answer,
        tables.table(("SUBJECT", "STATE", "OWNER", "MANAGED BY", "ROLES"), rows),
        note=total(len(rows), "member", answer),
    )


@reads(app)
def show(session: Session, tenant: Tenant, subject: Subject) -> None:
    """Show one member."""
    request = member_pb2.GetMemberRequest(tenant=tenant, subject=subject)
    answer = session.members.GetMember(request)
    session.show(answer, member_facts(answer.member))


def new_member(text: str) -> member_pb2.NewMember:
    """Read `user:alice=admin,editor`.

    A subject's id may hold `=`, a role's may not: the last one divides.
    """
    subject, equals, roles = text.rpartition("=")
    if not equals:
        return member_pb2.NewMember(subject=text)
    return member_pb2.NewMember(subject=subject, roles=[role for role in roles.split(",") if role])


def managed_by(member: member_pb2.Member) -> str:
    return word(member_pb2.ManagedBy, member.managed_by) if member.managed_by else ""


def member_facts(member: member_pb2.Member) -> RenderableType:
    """Lay out a member."""
    suspensions = [
        word(suspension_pb2.SuspensionReason, suspension) for suspension in member.suspensions
    ]
    return tables.facts(
        [
            ("tenant", member.tenant),
            ("subject", member.subject),
            ("state", word(member_pb2.MembershipState, member.state)),
            ("suspended for", out.listed(suspensions)),
            ("roles", out.listed(member.roles)),
            ("owner", "yes" if member.owner else ""),
            ("managed by", managed_by(member)),
        ]
    )


def _suspension(why: SuspensionReason) -> suspension_pb2.SuspensionReason.ValueType:
    return suspension_pb2.SuspensionReason.Value(f"SUSPENSION_REASON_{why.name}")
