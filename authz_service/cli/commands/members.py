"""`authz members`: who belongs to a customer's account."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Final

import typer
from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import word
from authz_service.cli.family import Family, Option, number
from authz_service.cli.options import HandOver, Reason, Subject, Tenant
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.domain.membership import MembershipState
from authz_service.domain.tenant import SuspensionReason
from authz_service.gen.authz.v1 import member_pb2, suspension_pb2

app = typer.Typer(help="Who belongs to a customer's account.")

Why = Annotated[
    SuspensionReason,
    typer.Option("--for", help="What suspends the member; each reason is lifted alone."),
]


AllRoles = Annotated[
    list[str] | None,
    typer.Argument(metavar="ROLE", help="Roles the member should have; leave out to remove all."),
]
InState = Annotated[
    MembershipState | None, typer.Option("--state", help="Only those in this state.")
]
WithRole = Annotated[str, typer.Option("--role", metavar="ROLE", help="Only those with this role.")]
Prefix = Annotated[
    str, typer.Option("--prefix", metavar="TEXT", help="Only those that begin so: user:al.")
]
IsOwner = Annotated[bool, typer.Option("--owner", help="Only the owner.")]


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


def _table(members: Iterable[member_pb2.Member]) -> RenderableType:
    rows = [
        (member.subject, word(member_pb2.MembershipState, member.state),
         "owner" if member.owner else "", managed_by(member), out.listed(member.roles))
        for member in members
    ]  # fmt: skip
    return tables.table(("SUBJECT", "STATE", "OWNER", "MANAGED BY", "ROLES"), rows)


_WHY: Final = Option(Why, number(suspension_pb2.SuspensionReason), SuspensionReason.ADMIN)

MEMBERS: Final = Family(
    app, service=lambda session: session.members, field="member", shown=member_facts, listed=_table
)
MEMBERS.changes(
    "remove",
    "RemoveMember",
    "End a membership and every role grant of it.",
    tenant=Tenant,
    subject=Subject,
    hand_over_invitations=Option(HandOver, default=False),
)
MEMBERS.changes(
    "suspend",
    "SuspendMember",
    "Deny a member everything until each reason is lifted.",
    tenant=Tenant,
    subject=Subject,
    suspension_reason=_WHY,
)
MEMBERS.changes(
    "resume",
    "ResumeMember",
    "Lift one reason; the member may act again when no other is left.",
    tenant=Tenant,
    subject=Subject,
    suspension_reason=_WHY,
)
MEMBERS.changes(
    "set-roles",
    "SetMemberRoles",
    "Say which roles a member holds on the whole account: others given by hand are revoked.",
    tenant=Tenant,
    subject=Subject,
    roles=Option(AllRoles),
    hand_over_invitations=Option(HandOver, default=False),
)
MEMBERS.lists(
    "list",
    "ListMembers",
    "List an account's members.",
    tenant=Tenant,
    state=Option(InState, number(member_pb2.MembershipState)),
    role=Option(WithRole),
    subject_prefix=Option(Prefix),
    owner=Option(IsOwner),
)
MEMBERS.reads("show", "GetMember", "Show one member.", tenant=Tenant, subject=Subject)
replace(MEMBERS, field="owner").changes(
    "transfer-ownership",
    "TransferOwnership",
    "Make another member the owner of the account.",
    tenant=Tenant,
    new_owner=Subject,
)
