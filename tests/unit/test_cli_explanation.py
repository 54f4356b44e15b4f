"""An explanation, made by hand, as a person reads it."""

import io
import shlex
from datetime import UTC, datetime
from typing import Any

import click
import pytest
import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from authz_service.cli.display.explanation import remedy_lines, tree
from authz_service.cli.display.remedies import command
from authz_service.cli.main import app
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import role_grant_pb2, subscription_pb2, suspension_pb2

QUESTION = pb.ExplainRequest(
    tenant="acme", subject="user:al$ice", permission="invoices:export", scope="project:42"
)
AT = Timestamp()
AT.FromDatetime(datetime(2026, 11, 23, tzinfo=UTC))


def layer(name: str, reason: pb.DecisionReason.ValueType, summary: str) -> pb.ExplainedLayer:
    agrees = reason == pb.DECISION_REASON_ALLOWED
    return pb.ExplainedLayer(layer=name, agrees=agrees, reason=reason, summary=summary)


def denial(*layers: pb.ExplainedLayer, remedies: list[pb.Remedy]) -> pb.ExplainResponse:
    objection = next(each.reason for each in layers if not each.agrees)
    return pb.ExplainResponse(
        allowed=False, reason=objection, layers=layers, remedies=remedies, at_time=AT, revision=12
    )


TENANT = layer("tenant", pb.DECISION_REASON_ALLOWED, "acme is active")
ROLES = layer(
    "roles",
    pb.DECISION_REASON_ROLE_MISSING,
    "user:al$ice holds viewer, which lacks invoices:export",
)
ENTITLEMENT = layer("entitlement", pb.DECISION_REASON_NOT_ENTITLED, "free lacks invoices:export")


def granted(role: str) -> pb.RemedyStep:
    grant = role_grant_pb2.RoleGrant(
        tenant="acme", subject="user:al$ice", role=role, scope="project:42"
    )
    return pb.RemedyStep(grant_role=role_grant_pb2.GrantRoleRequest(role_grant=grant))


UPGRADE = pb.RemedyStep(set_tier=subscription_pb2.SetTierRequest(tenant="acme", tier="pro"))
GRANT = pb.Remedy(summary="grant editor", steps=[granted("editor")])
BOTH = pb.Remedy(
    summary="move acme to tier pro, and grant editor",
    steps=[UPGRADE, granted("editor")],
    gives=["reports:view"],
    takes_away=["feature sso"],
)


def printed(answer: pb.ExplainResponse) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=10_000)
    console.print(tree(QUESTION, answer))
    for line in remedy_lines(answer):
        console.print(line)
    return file.getvalue().rstrip("\n").splitlines()


def test_the_tree_shows_the_answer_and_each_layer_with_its_objection() -> None:
    head, tenant, roles, decided, _ = printed(denial(TENANT, ROLES, remedies=[GRANT]))
    assert "✗ denied" in head
    assert "ROLE_MISSING" in head
    assert "revision 12, 2026-11-23 00:00" in decided
    assert "✓ tenant" in tenant
    assert "acme is active" in tenant
    assert "✗ roles" in roles
    assert "which lacks invoices:export" in roles


def test_rules_that_mattered_show_their_values_and_window() -> None:
    answer = denial(TENANT, ROLES, remedies=[GRANT])
    answer.rules.add(ptype="g", values=["user:al$ice@acme", "role/viewer"], valid_until=AT)
    text = "\n".join(printed(answer))
    assert "g  user:al$ice@acme, role/viewer  until 2026-11-23 00:00" in text


def test_the_last_line_is_the_command_to_run() -> None:
    lines = printed(denial(TENANT, ROLES, remedies=[GRANT]))
    assert lines[-1] == (
        "to allow it: grant editor: authz grant acme 'user:al$ice' editor --scope project:42"
    )


def test_all_steps_of_a_remedy_are_one_line_of_commands() -> None:
    lines = printed(denial(TENANT, ROLES, ENTITLEMENT, remedies=[BOTH]))
    assert lines[-1].endswith(
        "authz tenants set-tier acme pro"
        " && authz grant acme 'user:al$ice' editor --scope project:42"
    )


def test_other_remedies_say_what_else_they_give_and_take_away() -> None:
    lines = printed(denial(TENANT, ROLES, ENTITLEMENT, remedies=[GRANT, BOTH]))
    (other,) = (line for line in lines if "move acme to tier pro" in line)
    assert "also gives reports:view; takes away feature sso" in other


def test_an_allowance_needs_no_remedy() -> None:
    answer = pb.ExplainResponse(allowed=True, reason=pb.DECISION_REASON_ALLOWED, at_time=AT)
    assert list(remedy_lines(answer)) == []
    assert "✓ allowed" in printed(answer)[0]


@pytest.mark.parametrize("call", [field.name for field in pb.RemedyStep.DESCRIPTOR.fields])
def test_every_step_is_a_command_that_the_cli_has(call: str) -> None:
    step = pb.RemedyStep()
    request: Any = getattr(step, call)
    request.SetInParent()
    if "suspension_reason" in request.DESCRIPTOR.fields_by_name:
        request.suspension_reason = suspension_pb2.SUSPENSION_REASON_BILLING
    line = shlex.split(command(pb.Remedy(steps=[filled(step)])))
    known: Any = typer.main.get_command(app)
    while hasattr(known, "get_command"):
        line = line[1:]
        found = known.get_command(click.Context(known), line[0])
        assert found is not None, line
        known = found
    known.make_context(line[0], line[1:], resilient_parsing=False)


def filled(step: pb.RemedyStep) -> pb.RemedyStep:
    """Give every text of a step's request a word, and its lists one item."""
    _fill(getattr(step, step.WhichOneof("call") or ""))
    return step


def _fill(message: Any) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and "google" not in field.message_type.full_name:
            part = getattr(message, field.name)
            _fill(part.add() if field.is_repeated else part)
        elif field.type == field.TYPE_STRING:
            word = {"subject": "user:a", "permission": "a:b", "permissions": "a:b"}
            text = word.get(field.name, "x")
            if field.is_repeated:
                getattr(message, field.name).append(text)
            elif field.containing_oneof is None:
                setattr(message, field.name, text)


def test_what_a_terminal_would_obey_is_written_out() -> None:
    evil = layer("tenant", pb.DECISION_REASON_TENANT_SUSPENDED, "\x1b]0;owned\x07 [red]acme[/red]")
    lines = printed(denial(evil, remedies=[]))
    assert r"\x1b]0;owned\x07 [red]acme[/red]" in lines[1]
