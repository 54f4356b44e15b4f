"""`authz invitations`: who is asked to become a member."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.commands.members import member_facts
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import duration, instant
from authz_service.cli.options import Limit, Reason, Subject, Tenant
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import OpenFor
from authz_service.gen.authz.v1 import invitation_pb2 as pb

app = typer.Typer(help="Who is asked to become a member of a customer's account.")

Id = Annotated[str, typer.Argument(metavar="ID", help="As authz invitations list shows it.")]


@changes(app)
def create(
    session: Session,
    tenant: Tenant,
    *,
    email: Annotated[str, typer.Option("--email", metavar="ADDRESS", help="Where it goes.")] = "",
    subject: Annotated[
        str, typer.Option("--subject", metavar="SUBJECT", help="Who, if known: user:alice.")
    ] = "",
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="A role to grant then. Repeat for more."),
    ] = None,
    open_for: OpenFor = None,
    reason: Reason = "",
) -> None:
    """Invite somebody. The token is shown this once: send it."""
    request = pb.InviteMemberRequest(
        tenant=tenant,
        subject=subject,
        email=email,
        roles=role or (),
        lifetime=duration(open_for),
        reason=reason,
    )
    answer = session.invitations.InviteMember(request)
    _show_sent(session, answer)


@changes(app)
def accept(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    token: Annotated[
        str,
        typer.Option(
            "--token",
            prompt=True,
            hide_input=True,
            envvar="AUTHZ_INVITATION_TOKEN",
            help="Asked for if not given: what stands in a command, others can see.",
        ),
    ],
    reason: Reason = "",
) -> None:
    """Make whoever holds a token a member."""
    request = pb.AcceptInvitationRequest(tenant=tenant, token=token, subject=subject, reason=reason)
    answer = session.invitations.AcceptInvitation(request)
    session.show(answer, member_facts(answer.member))


@changes(app)
def resend(
    session: Session, tenant: Tenant, invitation: Id, open_for: OpenFor = None, reason: Reason = ""
) -> None:
    """Make a new token, shown this once; the old one is dead."""
    request = pb.ResendInvitationRequest(
        tenant=tenant, id=invitation, lifetime=duration(open_for), reason=reason
    )
    answer = session.invitations.ResendInvitation(request)
    _show_sent(session, answer)


@changes(app)
def revoke(session: Session, tenant: Tenant, invitation: Id, reason: Reason = "") -> None:
    """End an invitation before it is accepted."""
    request = pb.RevokeInvitationRequest(tenant=tenant, id=invitation, reason=reason)
    answer = session.invitations.RevokeInvitation(request)
    session.show(answer, _table([answer.invitation]), note="revoked")


@reads(app)
def show(session: Session, tenant: Tenant, invitation: Id) -> None:
    """Show one open invitation."""
    request = pb.GetInvitationRequest(tenant=tenant, id=invitation)
    answer = session.invitations.GetInvitation(request)
    session.show(answer, _table([answer.invitation]))


@reads(app, "list")
def list_invitations(session: Session, tenant: Tenant, limit: Limit = None) -> None:
    """List an account's open invitations, oldest first."""
    request = pb.ListInvitationsRequest(tenant=tenant)
    answer = every(
        session.invitations.ListInvitations, request, lambda page: page.invitations, limit
    )
    invitations = answer.invitations
    session.show(answer, _table(invitations), note=total(len(invitations), "invitation", answer))


def _show_sent(
    session: Session, answer: pb.InviteMemberResponse | pb.ResendInvitationResponse
) -> None:
    token = Text(answer.token, "bold")
    if not answer.token and not session.dry_run:
        sent = answer.invitation
        again = f"shown before and not again: authz invitations resend {sent.tenant} {sent.id}"
        token = Text(again, "red")
    session.show(
        answer,
        _table([answer.invitation]),
        *([tables.facts([("\ntoken", Text("\n") + token)])] if token else []),
        note="shown this once: send it" if answer.token else "",
    )


def _table(invitations: Iterable[pb.Invitation]) -> RenderableType:
    rows = [
        (
            invitation.id,
            invitation.subject,
            invitation.email,
            out.listed(invitation.roles),
            invitation.invited_by,
            instant(invitation.send_time),
            _end(invitation),
        )
        for invitation in invitations
    ]
    return tables.table(("ID", "WHO", "ADDRESS", "ROLES", "INVITED BY", "SENT", "ENDS"), rows)


def _end(invitation: pb.Invitation) -> str:
    return "expired" if invitation.expired else instant(invitation.expire_time)
