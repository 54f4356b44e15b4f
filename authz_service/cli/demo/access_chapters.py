"""The demo's chapters on access: questions that products ask, grants for a while, and reasons."""

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.cli.demo.stage import CUSTOMERS, PUSH, SECURITY, Stage, verdict
from authz_service.cli.display.explanation import remedy_lines, tree
from authz_service.cli.display.remedies import command
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import role_grant_pb2

DEPLOY_KEYS: Final = "project.deploy_key:add"  # maintainers, on every tier

_BRIEFLY: Final = 3
"""Seconds: long enough to ask within them on a busy machine."""


def questions(stage: Stage) -> None:
    """The question that products ask all day."""
    stage.teller.chapter("The question that products ask")
    stage.ask("Dan is a developer. May he push a branch?", "user:dan", PUSH)
    stage.ask("Gil is a guest. May he?", "user:gil", PUSH, "denied, ROLE_MISSING")
    stage.ask("A stranger?", "user:mallory", PUSH, "denied, NOT_A_MEMBER")
    batch = pb.BatchCheckRequest(
        questions=[
            pb.Question(tenant=tenant, subject="user:dan", permission=SECURITY)
            for tenant in CUSTOMERS
        ]
    )
    stage.teller.step(
        "May developers use the security dashboard? Three customers in one call",
        f"BatchCheck: user:dan {SECURITY} in {', '.join(CUSTOMERS)}",
        lambda: stage.checks.BatchCheck(batch),
        lambda a: ", ".join(map(_yes_no, a.allowed)) + f", at one revision: {a.revision}",
        f"no, no, yes, at one revision: {stage.revision}",
    )
    check_permissions = pb.CheckPermissionsRequest(
        tenant="bakery", subject="user:dan", permissions=[_name(row) for row in stage.rows]
    )
    may = sum(row["developer"] == "yes" and row["tier"] == "free" for row in stage.rows)
    stage.teller.step(
        f"All {len(stage.rows)} permissions for Dan, as a page needs them for its buttons",
        "CheckPermissions: user:dan in bakery",
        lambda: stage.checks.CheckPermissions(check_permissions),
        lambda a: f"{sum(a.allowed)} allowed, {len(a.allowed) - sum(a.allowed)} denied",
        f"{may} allowed, {len(stage.rows) - may} denied",
    )


def roles(stage: Stage) -> None:
    """A grant for a time, in a scope; a grant; its revocation."""
    stage.teller.chapter("Roles change while everything runs")
    until = Timestamp()
    ends = datetime.now(UTC) + timedelta(seconds=_BRIEFLY)
    until.FromDatetime(ends)
    stage.grant(
        f"Gil helps out as a developer, in project 42 only, for {_BRIEFLY} seconds",
        f"--scope project:42 --until {ends:%Y-%m-%dT%H:%M:%S.%fZ}",
        scope="project:42",
        valid_until=until,
    )
    stage.ask("May he push in project 42?", "user:gil", PUSH, scope="project:42")
    elsewhere = "denied, ROLE_MISSING"
    stage.ask("In project 7?", "user:gil", PUSH, elsewhere, scope="project:7")
    stage.teller.wait((ends - datetime.now(UTC)).total_seconds())
    over = "denied, GRANT_EXPIRED"
    title = f"{_BRIEFLY} seconds are over, and nobody did anything"
    stage.ask(title, "user:gil", PUSH, over, scope="project:42")
    stage.grant("Now as a developer for good", "")
    stage.ask("May he push? The very next check knows", "user:gil", PUSH)
    revoked = role_grant_pb2.RevokeRoleRequest(
        tenant="bakery", subject="user:gil", role="developer", reason="demo"
    )
    stage.change(
        "No longer",
        "authz revoke bakery user:gil developer",
        lambda: stage.role_grants.RevokeRole(revoked),
    )
    stage.ask("And so does this one", "user:gil", PUSH, "denied, ROLE_MISSING")


def reasons(stage: Stage) -> None:
    """A denial with its explanation; its remedy works as it stands."""
    stage.teller.chapter("Every denial says why, and what to do")
    explain = pb.ExplainRequest(tenant="bakery", subject="user:gil", permission=DEPLOY_KEYS)
    answer = stage.teller.step(
        "Why may Gil not add deploy keys?",
        f"authz explain bakery user:gil {DEPLOY_KEYS}",
        lambda: stage.checks.Explain(explain),
        lambda a: verdict(allowed=a.allowed, reason=a.reason),
        "denied, ROLE_MISSING",
    )
    stage.teller.show(tree(explain, answer), *remedy_lines(answer))
    todo = command(answer.remedies[0])
    step = stage.teller.step(
        "Do what the last line says, in a shell of its own",
        todo,
        lambda: stage.run(todo),
        lambda code: f"exit code {code}",
        "exit code 0",
    )
    if step == 0:
        stage.ask("May he now?", "user:gil", DEPLOY_KEYS)


def _yes_no(allowed: bool) -> str:
    return "yes" if allowed else "no"


def _name(row: dict[str, str]) -> str:
    return f"{row['scope']}.{row['resource']}:{row['action']}"
