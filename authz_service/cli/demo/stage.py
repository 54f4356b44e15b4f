"""Where the demo plays: its server, what a step asks of it, and the newest revision."""

import json
import shlex
import subprocess
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.text import Text

from authz_service.cli.demo.storyteller import Storyteller
from authz_service.cli.demo.throwaway_server import Trial
from authz_service.cli.demo.throwaway_server import command as cli
from authz_service.cli.display.words import code
from authz_service.client.connection import Connection
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import role_grant_pb2

PUSH: Final = "project.unprotected_branch:push"  # developers, on every tier
SECURITY: Final = "project.security_dashboard:use"  # developers, on ultimate
CUSTOMERS: Final = {"bakery": "free", "harbour": "premium", "observatory": "ultimate"}
"""The tier that each customer begins on."""


class _Revised(Protocol):
    @property
    def revision(self) -> int: ...


Changed = TypeVar("Changed", bound=_Revised)


class Stage:
    """Asks and changes in steps, each at the revision that the one before it made.

    `rows` is the table of permissions that the policy was read from.
    """

    def __init__(self, console: Console, server: Trial) -> None:
        def connected(address: str) -> Connection:
            return Connection(address, server.key, timeout=10, max_message_bytes=1 << 22)

        self.teller = Storyteller(console)
        self._server = server
        self.checks = connected(server.check_address).authorization
        admin = connected(server.admin_address)
        self.changesets, self.tenants = admin.changesets, admin.tenants
        self.subscriptions = admin.subscriptions
        self.role_grants, self.exceptions = admin.role_grants, admin.exceptions
        self.revision = 0
        self.rows: list[dict[str, str]] = []

    def ask(
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
            min_revision=self.revision,
        )
        where = f" --scope {scope}" if scope else ""
        self.teller.step(
            title,
            f"authz check {tenant} {subject} {permission}{where}",
            lambda: self.checks.Check(check),
            lambda a: f"{verdict(allowed=a.allowed, reason=a.reason)}, at revision {a.revision}",
            f"{expected}, at revision {self.revision}",
        )

    def grant(
        self, title: str, options: str, *, scope: str = "", valid_until: Timestamp | None = None
    ) -> None:
        grant = role_grant_pb2.RoleGrant(
            tenant="bakery", subject="user:gil", role="developer", scope=scope,
            valid_until=valid_until, reason="demo",
        )  # fmt: skip
        self.change(
            title,
            f"authz grant bakery user:gil developer {options}".strip(),
            lambda: self.role_grants.GrantRole(role_grant_pb2.GrantRoleRequest(role_grant=grant)),
        )

    def change(self, title: str, line: str, do: Callable[[], Changed]) -> Changed:
        """Take a step that makes exactly the next revision."""
        expected = f"done, revision {self.revision + 1}"
        text: Callable[[Changed], str] = lambda a: f"done, revision {a.revision}"  # noqa: E731
        return self.teller.step(title, line, self.noting(do), text, expected)

    def noting(self, do: Callable[[], Changed]) -> Callable[[], Changed]:
        """Wrap a change so that the stage notes its revision."""

        def noted() -> Changed:
            answer = do()
            self.revision = answer.revision
            return answer

        return noted

    def run(self, line: str) -> int:
        """Run commands in a shell of their own; return the exit code of the first that fails."""
        for item in line.split(" && "):
            completed_process = subprocess.run(  # noqa: S603 - our own command
                cli(*shlex.split(item)[1:], "--output", "json"),
                env=dict(self._server.environment), capture_output=True, text=True, check=False,
            )  # fmt: skip
            if completed_process.returncode:
                self.teller.show(Text(completed_process.stderr, "red"))
                return completed_process.returncode
            self.revision = int(json.loads(completed_process.stdout)["revision"])
        return 0


def verdict(*, allowed: bool, reason: pb.DecisionReason.ValueType) -> str:
    return "allowed" if allowed else f"denied, {code(pb.DecisionReason, reason)}"
