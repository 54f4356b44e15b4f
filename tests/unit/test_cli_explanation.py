"""An explanation, made by hand, as a person reads it."""

import io
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from authz_service.cli.display.explanation import remedy_lines, tree
from authz_service.cli.display.remedies import command
from authz_service.gen.authz.v1 import authorization_pb2 as pb

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
        allowed=False, reason=objection, layers=layers, remedies=remedies, at=AT, revision=12
    )


TENANT = layer("tenant", pb.DECISION_REASON_ALLOWED, "acme is active")
ROLES = layer(
    "roles",
    pb.DECISION_REASON_ROLE_MISSING,
    "user:al$ice holds viewer, which lacks invoices:export",
)
ENTITLEMENT = layer("entitlement", pb.DECISION_REASON_NOT_ENTITLED, "free lacks invoices:export")
GRANT = pb.Remedy(
    kind=pb.REMEDY_KIND_GRANT_ROLE,
    summary="grant editor or admin",
    options=["editor", "admin"],
)
UPGRADE = pb.Remedy(
    kind=pb.REMEDY_KIND_CHANGE_TIER, summary="move acme to tier pro", options=["pro"]
)
EXCEPTION = pb.Remedy(kind=pb.REMEDY_KIND_GRANT_EXCEPTION, summary="grant an exception")


def printed(answer: pb.ExplainResponse) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=10_000)
    console.print(tree(QUESTION, answer))
    for line in remedy_lines(QUESTION, answer):
        console.print(line)
    return file.getvalue().rstrip("\n").splitlines()


def test_the_tree_shows_the_answer_and_each_layer_with_its_objection() -> None:
    head, tenant, roles, decided, _ = printed(denial(TENANT, ROLES, remedies=[GRANT]))
    assert "✗ denied" in head
    assert "ROLE_MISSING" in head
    assert "revision 12, 2026-11-23T00:00:00Z" in decided
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
        "to allow it: grant editor or admin: "
        "authz grant acme 'user:al$ice' editor --scope project:42"
    )


def test_all_that_must_be_done_together_stands_in_the_last_line() -> None:
    lines = printed(denial(TENANT, ROLES, ENTITLEMENT, remedies=[GRANT, UPGRADE, EXCEPTION]))
    assert lines[-1].endswith(
        "authz grant acme 'user:al$ice' editor --scope project:42"
        " && authz tenants set-tier acme pro"
    )
    assert any("grant an exception" in line for line in lines[:-1])


def test_a_remedy_without_a_command_is_said_in_words() -> None:
    lift = pb.Remedy(kind=pb.REMEDY_KIND_RESUME_MEMBER, summary="lift what suspends user:alice")
    held = layer("membership", pb.DECISION_REASON_MEMBERSHIP_SUSPENDED, "suspended for risk")
    lines = printed(denial(TENANT, held, remedies=[lift]))
    assert lines[-1] == "to allow it: lift what suspends user:alice"


def test_an_allowance_needs_no_remedy() -> None:
    answer = pb.ExplainResponse(allowed=True, reason=pb.DECISION_REASON_ALLOWED, at=AT)
    assert list(remedy_lines(QUESTION, answer)) == []
    assert "✓ allowed" in printed(answer)[0]


def test_every_kind_of_remedy_has_a_command_but_for_what_has_no_rpc() -> None:
    without = {
        name
        for name, kind in pb.RemedyKind.items()
        if not command(QUESTION, pb.Remedy(kind=kind, options=["x"]))
    }
    assert without == {"REMEDY_KIND_UNSPECIFIED", "REMEDY_KIND_RESUME_MEMBER"}


def test_what_a_terminal_would_obey_is_written_out() -> None:
    evil = layer("tenant", pb.DECISION_REASON_TENANT_SUSPENDED, "\x1b]0;owned\x07 [red]acme[/red]")
    lines = printed(denial(evil, remedies=[]))
    assert r"\x1b]0;owned\x07 [red]acme[/red]" in lines[1]
