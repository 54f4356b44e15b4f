"""What the demo tells, chapter by chapter."""

import csv
import json
import shlex
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.text import Text

from authz_service.cli.demo.contract import Contracts
from authz_service.cli.demo.mail import Mailbox
from authz_service.cli.demo.storyteller import Storyteller
from authz_service.cli.demo.throwaway_server import Trial
from authz_service.cli.demo.throwaway_server import command as cli
from authz_service.cli.display.entitlements import limit_value
from authz_service.cli.display.explanation import remedy_lines, tree
from authz_service.cli.display.remedies import command
from authz_service.cli.display.words import code
from authz_service.cli.files.folder_changes import puts
from authz_service.client.connection import Connection
from authz_service.client.failure import Failure
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import (
    changeset_pb2,
    exception_pb2,
    member_pb2,
    role_grant_pb2,
    subscription_pb2,
    suspension_pb2,
    tenant_pb2,
)
from authz_service.policyfiles.matrix.matrix import read_matrix

TIERS: Final = ("free", "premium", "ultimate")
CUSTOMERS: Final = {"bakery": "free", "harbour": "premium", "observatory": "ultimate"}
TEAM: Final = {"user:olga": "owner", "user:dan": "developer", "user:gil": "guest"}

PUSH: Final = "project.unprotected_branch:push"  # developers, on every tier
EPICS: Final = "group.epic:create_or_edit"  # reporters and above, from premium on
SECURITY: Final = "project.security_dashboard:use"  # developers, on ultimate
DEPLOY_KEYS: Final = "project.deploy_key:add"  # maintainers, on every tier

_BRIEFLY: Final = 3
"""Seconds: long enough to ask within them on a busy machine."""


class _Revised(Protocol):
    @property
    def revision(self) -> int: ...


Changed = TypeVar("Changed", bound=_Revised)


def tell(console: Console, server: Trial, box: Mailbox, matrix: Path) -> Storyteller:
    """Tell the whole story; the teller knows what did not go as it must."""
    story = _Story(console, server)
    try:
        # First, on the shipped policy: the one that is loaded then has tiers of the same names.
        Contracts(story.teller, server, box).tell()
        story.load(matrix)
        for chapter in (
            story.customers,
            story.questions,
            story.roles,
            story.plans,
            story.exceptions,
            story.reasons,
            story.limits,
            story.money,
        ):
            chapter()
    except Failure as failure:
        story.teller.show(Text(f"the rest depends on it. {failure.advice}", "red"))
    story.teller.end()
    return story.teller


class _Story:
    def __init__(self, console: Console, server: Trial) -> None:
        def connected(address: str) -> Connection:
            return Connection(address, server.key, timeout=10, max_message_bytes=1 << 22)

        self.teller = Storyteller(console)
        self._server = server
        self._checks = connected(server.check_address).authorization
        admin = connected(server.admin_address)
        self._changes, self._tenants = admin.changesets, admin.tenants
        self._subscriptions = admin.subscriptions
        self._role_grants, self._exceptions = admin.role_grants, admin.exceptions
        self._revision = 0
        self._rows: list[dict[str, str]] = []

    def load(self, matrix: Path) -> None:
        """Policy is data."""
        self.teller.chapter("Policy is data")
        policy = read_matrix(matrix.read_text("utf-8"), TIERS, matrix.name).policy
        self._rows = list(csv.DictReader(matrix.read_text("utf-8").splitlines()))
        changeset = changeset_pb2.Changeset(commands=puts(policy))
        total = len(changeset.commands)
        self.teller.step(
            "GitLab's published permissions become catalogue, roles and tiers",
            f"authz import matrix {matrix.name} --tiers {','.join(TIERS)}",
            self._noting(lambda: self._apply(changeset)),
            lambda a: f"{len(a.objects)} definitions put",
            f"{total} definitions put",
        )

    def _apply(self, changeset: changeset_pb2.Changeset) -> changeset_pb2.ApplyChangesetResponse:
        """Preview a changeset, and apply it as previewed."""
        preview = changeset_pb2.PreviewChangesetRequest(changeset=changeset)
        fingerprint = self._changes.PreviewChangeset(preview).fingerprint
        request = changeset_pb2.ApplyChangesetRequest(
            changeset=changeset, fingerprint=fingerprint, reason="demo"
        )
        return self._changes.ApplyChangeset(request)

    def customers(self) -> None:
        """Customers, one on each tier."""
        self.teller.chapter("A customer on each tier")
        team = [member_pb2.NewMember(subject=s, roles=[r]) for s, r in TEAM.items()]
        members = " ".join(f"--member {subject}={role}" for subject, role in TEAM.items())
        for tenant, tier in CUSTOMERS.items():
            opened = tenant_pb2.OnboardTenantRequest(tenant=tenant, tier=tier, members=team)
            self._change(
                f"Open {tenant} on {tier}, with its first people and their roles",
                f"authz tenants onboard {tenant} --tier {tier} {members}",
                lambda opened=opened: self._tenants.OnboardTenant(opened),  # type: ignore[misc]
            )

    def questions(self) -> None:
        """The question that products ask all day."""
        self.teller.chapter("The question that products ask")
        self._ask("Dan is a developer. May he push a branch?", "user:dan", PUSH)
        self._ask("Gil is a guest. May he?", "user:gil", PUSH, "denied, ROLE_MISSING")
        self._ask("A stranger?", "user:mallory", PUSH, "denied, NOT_A_MEMBER")
        batch = pb.BatchCheckRequest(
            questions=[
                pb.Question(tenant=tenant, subject="user:dan", permission=SECURITY)
                for tenant in CUSTOMERS
            ]
        )
        self.teller.step(
            "May developers use the security dashboard? Three customers in one call",
            f"BatchCheck: user:dan {SECURITY} in {', '.join(CUSTOMERS)}",
            lambda: self._checks.BatchCheck(batch),
            lambda a: ", ".join(map(_yes_no, a.allowed)) + f", at one revision: {a.revision}",
            f"no, no, yes, at one revision: {self._revision}",
        )
        check_permissions = pb.CheckPermissionsRequest(
            tenant="bakery", subject="user:dan", permissions=[_name(row) for row in self._rows]
        )
        may = sum(row["developer"] == "yes" and row["tier"] == "free" for row in self._rows)
        self.teller.step(
            f"All {len(self._rows)} permissions for Dan, as a page needs them for its buttons",
            "CheckPermissions: user:dan in bakery",
            lambda: self._checks.CheckPermissions(check_permissions),
            lambda a: f"{sum(a.allowed)} allowed, {len(a.allowed) - sum(a.allowed)} denied",
            f"{may} allowed, {len(self._rows) - may} denied",
        )

    def roles(self) -> None:
        """A grant for a time, in a scope; a grant; its revocation."""
        self.teller.chapter("Roles change while everything runs")
        until = Timestamp()
        ends = datetime.now(UTC) + timedelta(seconds=_BRIEFLY)
        until.FromDatetime(ends)
        self._grant(
            f"Gil helps out as a developer, in project 42 only, for {_BRIEFLY} seconds",
            f"--scope project:42 --until {ends:%Y-%m-%dT%H:%M:%S.%fZ}",
            scope="project:42",
            valid_until=until,
        )
        self._ask("May he push in project 42?", "user:gil", PUSH, scope="project:42")
        elsewhere = "denied, ROLE_MISSING"
        self._ask("In project 7?", "user:gil", PUSH, elsewhere, scope="project:7")
        self.teller.wait((ends - datetime.now(UTC)).total_seconds())
        over = "denied, GRANT_EXPIRED"
        title = f"{_BRIEFLY} seconds are over, and nobody did anything"
        self._ask(title, "user:gil", PUSH, over, scope="project:42")
        self._grant("Now as a developer for good", "")
        self._ask("May he push? The very next check knows", "user:gil", PUSH)
        revoked = role_grant_pb2.RevokeRoleRequest(
            tenant="bakery", subject="user:gil", role="developer", reason="demo"
        )
        self._change(
            "No longer",
            "authz revoke bakery user:gil developer",
            lambda: self._role_grants.RevokeRole(revoked),
        )
        self._ask("And so does this one", "user:gil", PUSH, "denied, ROLE_MISSING")

    def plans(self) -> None:
        """An upgrade opens a feature on the next check."""
        self.teller.chapter("An upgrade opens a feature")
        title = "Epics are sold from premium on; the bakery is on free"
        self._ask(title, "user:dan", EPICS, "denied, NOT_ENTITLED")
        moved = subscription_pb2.SetTierRequest(tenant="bakery", tier="premium", reason="demo")
        self._change(
            "The bakery upgrades",
            "authz tenants set-tier bakery premium",
            lambda: self._subscriptions.SetTier(moved),
        )
        self._ask("The same question again", "user:dan", EPICS)

    def exceptions(self) -> None:
        """A one-off exception, given and taken."""
        self.teller.chapter("A promise to one customer is data too")
        denied = "denied, NOT_ENTITLED"
        self._ask("The security dashboard is ultimate's alone", "user:dan", SECURITY, denied)
        exception = exception_pb2.TenantException(
            tenant="bakery",
            kind=exception_pb2.EXCEPTION_KIND_GRANT,
            permissions=[SECURITY],
            reason="promised in the pilot",
            approver="head of sales",
        )
        create_exception = self._change(
            "Sales promised it to the bakery",
            f"authz exceptions grant bakery {SECURITY} --reason 'promised in the pilot' "
            "--approver 'head of sales'",
            lambda: self._exceptions.CreateException(
                exception_pb2.CreateExceptionRequest(exception=exception)
            ),
        )
        self._ask("May Dan use it?", "user:dan", SECURITY)
        ended = exception_pb2.DeleteExceptionRequest(
            tenant="bakery", id=create_exception.exception.id
        )
        self._change(
            "The pilot is over",
            f"authz exceptions revoke bakery {create_exception.exception.id}",
            lambda: self._exceptions.DeleteException(ended),
        )
        self._ask("And now?", "user:dan", SECURITY, denied)

    def reasons(self) -> None:
        """A denial with its explanation; its remedy works as it stands."""
        self.teller.chapter("Every denial says why, and what to do")
        explain = pb.ExplainRequest(tenant="bakery", subject="user:gil", permission=DEPLOY_KEYS)
        answer = self.teller.step(
            "Why may Gil not add deploy keys?",
            f"authz explain bakery user:gil {DEPLOY_KEYS}",
            lambda: self._checks.Explain(explain),
            lambda a: _said(allowed=a.allowed, reason=a.reason),
            "denied, ROLE_MISSING",
        )
        self.teller.show(tree(explain, answer), *remedy_lines(answer))
        todo = command(answer.remedies[0])
        step = self.teller.step(
            "Do what the last line says, in a shell of its own",
            todo,
            lambda: self._run(todo),
            lambda code: f"exit code {code}",
            "exit code 0",
        )
        if step == 0:
            self._ask("May he now?", "user:gil", DEPLOY_KEYS)

    def limits(self) -> None:
        """A limit of a tier that has one."""
        self.teller.chapter("Limits: the product counts, the service compares")
        opened = tenant_pb2.OnboardTenantRequest(tenant="studio", tier="professional")
        self._change(
            "Open studio on professional, a tier that the service comes with",
            "authz tenants onboard studio --tier professional",
            lambda: self._tenants.OnboardTenant(opened),
        )
        for used, expected in (
            (49, "allowed, 1 more could be used"),
            (50, "denied, LIMIT_REACHED"),
        ):
            question = pb.CheckLimitRequest(
                tenant="studio", usage=pb.Usage(limit="projects", used=used, quantity=1)
            )
            self.teller.step(
                f"It has {used} projects. One more?",
                f"CheckLimit: projects, used {used}, quantity 1",
                lambda question=question: self._checks.CheckLimit(question),  # type: ignore[misc]
                _limit_said,
                f"{expected}, at most 50 project",
            )

    def money(self) -> None:
        """A suspension and its end."""
        self.teller.chapter("Who does not pay is closed, and opened again")
        billing = suspension_pb2.SUSPENSION_REASON_BILLING
        closed = tenant_pb2.SuspendTenantRequest(tenant="harbour", suspension_reason=billing)
        self._change(
            "Harbour's invoice is overdue",
            "authz tenants suspend harbour --for billing",
            lambda: self._tenants.SuspendTenant(closed),
        )
        shut = "denied, TENANT_SUSPENDED"
        self._ask("May Olga, its owner, push a branch?", "user:olga", PUSH, shut, "harbour")
        self._ask("Others notice nothing", "user:olga", PUSH, tenant="observatory")
        opened = tenant_pb2.ResumeTenantRequest(tenant="harbour", suspension_reason=billing)
        self._change(
            "It paid",
            "authz tenants resume harbour --for billing",
            lambda: self._tenants.ResumeTenant(opened),
        )
        self._ask("And Olga goes on", "user:olga", PUSH, tenant="harbour")

    def _ask(
        self,
        title: str,
        subject: str,
        permission: str,
        expected: str = "allowed",
        tenant: str = "bakery",
        scope: str = "",
    ) -> None:
        check = pb.CheckRequest(
            tenant=tenant,
            subject=subject,
            permission=permission,
            scope=scope,
            min_revision=self._revision,
        )
        where = f" --scope {scope}" if scope else ""
        self.teller.step(
            title,
            f"authz check {tenant} {subject} {permission}{where}",
            lambda: self._checks.Check(check),
            lambda a: f"{_said(allowed=a.allowed, reason=a.reason)}, at revision {a.revision}",
            f"{expected}, at revision {self._revision}",
        )

    def _grant(
        self, title: str, options: str, *, scope: str = "", valid_until: Timestamp | None = None
    ) -> None:
        grant = role_grant_pb2.RoleGrant(
            tenant="bakery", subject="user:gil", role="developer", scope=scope,
            valid_until=valid_until, reason="demo",
        )  # fmt: skip
        self._change(
            title,
            f"authz grant bakery user:gil developer {options}".strip(),
            lambda: self._role_grants.GrantRole(role_grant_pb2.GrantRoleRequest(role_grant=grant)),
        )

    def _change(self, title: str, line: str, do: Callable[[], Changed]) -> Changed:
        expected = f"done, revision {self._revision + 1}"
        text: Callable[[Changed], str] = lambda a: f"done, revision {a.revision}"  # noqa: E731
        return self.teller.step(title, line, self._noting(do), text, expected)

    def _noting(self, do: Callable[[], Changed]) -> Callable[[], Changed]:
        def noted() -> Changed:
            answer = do()
            self._revision = answer.revision
            return answer

        return noted

    def _run(self, line: str) -> int:
        for item in line.split(" && "):
            completed_process = subprocess.run(  # noqa: S603 - our own command
                cli(*shlex.split(item)[1:], "--output", "json"),
                env=dict(self._server.environment), capture_output=True, text=True, check=False,
            )  # fmt: skip
            if completed_process.returncode:
                self.teller.show(Text(completed_process.stderr, "red"))
                return completed_process.returncode
            self._revision = int(json.loads(completed_process.stdout)["revision"])
        return 0


def _said(*, allowed: bool, reason: pb.DecisionReason.ValueType) -> str:
    return "allowed" if allowed else f"denied, {code(pb.DecisionReason, reason)}"


def _limit_said(answer: pb.CheckLimitResponse) -> str:
    verdict = _said(allowed=answer.allowed, reason=answer.reason)
    remaining = f", {answer.remaining} more could be used" if answer.allowed else ""
    return f"{verdict}{remaining}, at most {limit_value(answer.limit.limit)}"


def _yes_no(allowed: bool) -> str:
    return "yes" if allowed else "no"


def _name(row: dict[str, str]) -> str:
    return f"{row['scope']}.{row['resource']}:{row['action']}"
