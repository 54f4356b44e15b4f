"""The demo's chapters on customers: what one buys, is promised, uses up, and owes."""

from typing import Final

from authz_service.cli.demo.stage import PUSH, SECURITY, Stage, verdict
from authz_service.cli.display.plan_values import limit_value
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import exception_pb2, subscription_pb2, suspension_pb2, tenant_pb2

EPICS: Final = "group.epic:create_or_edit"  # reporters and above, from premium on


def plans(stage: Stage) -> None:
    """An upgrade opens a feature on the next check."""
    stage.teller.chapter("An upgrade opens a feature")
    title = "Epics are sold from premium on; the bakery is on free"
    stage.ask(title, "user:dan", EPICS, "denied, NOT_ENTITLED")
    moved = subscription_pb2.SetTierRequest(tenant="bakery", tier="premium", reason="demo")
    stage.change(
        "The bakery upgrades",
        "authz tenants set-tier bakery premium",
        lambda: stage.subscriptions.SetTier(moved),
    )
    stage.ask("The same question again", "user:dan", EPICS)


def exceptions(stage: Stage) -> None:
    """A one-off exception, given and taken."""
    stage.teller.chapter("A promise to one customer is data too")
    denied = "denied, NOT_ENTITLED"
    stage.ask("The security dashboard is ultimate's alone", "user:dan", SECURITY, denied)
    exception = exception_pb2.TenantException(
        tenant="bakery",
        kind=exception_pb2.EXCEPTION_KIND_GRANT,
        permissions=[SECURITY],
        reason="promised in the pilot",
        approver="head of sales",
    )
    create_exception = stage.change(
        "Sales promised it to the bakery",
        f"authz exceptions grant bakery {SECURITY} --reason 'promised in the pilot' "
        "--approver 'head of sales'",
        lambda: stage.exceptions.CreateException(
            exception_pb2.CreateExceptionRequest(exception=exception)
        ),
    )
    stage.ask("May Dan use it?", "user:dan", SECURITY)
    ended = exception_pb2.DeleteExceptionRequest(tenant="bakery", id=create_exception.exception.id)
    stage.change(
        "The pilot is over",
        f"authz exceptions revoke bakery {create_exception.exception.id}",
        lambda: stage.exceptions.DeleteException(ended),
    )
    stage.ask("And now?", "user:dan", SECURITY, denied)


def limits(stage: Stage) -> None:
    """A limit of a tier that has one."""
    stage.teller.chapter("Limits: the product counts, the service compares")
    opened = tenant_pb2.OnboardTenantRequest(tenant="studio", tier="professional")
    stage.change(
        "Open studio on professional, a tier that the service comes with",
        "authz tenants onboard studio --tier professional",
        lambda: stage.tenants.OnboardTenant(opened),
    )
    for used, expected in (
        (49, "allowed, 1 more could be used"),
        (50, "denied, LIMIT_REACHED"),
    ):
        question = pb.CheckLimitRequest(
            tenant="studio", usage=pb.Usage(limit="projects", used=used, quantity=1)
        )
        stage.teller.step(
            f"It has {used} projects. One more?",
            f"CheckLimit: projects, used {used}, quantity 1",
            lambda question=question: stage.checks.CheckLimit(question),  # type: ignore[misc]
            _limit_verdict,
            f"{expected}, at most 50 project",
        )


def money(stage: Stage) -> None:
    """A suspension and its end."""
    stage.teller.chapter("Who does not pay is closed, and opened again")
    billing = suspension_pb2.SUSPENSION_REASON_BILLING
    closed = tenant_pb2.SuspendTenantRequest(tenant="harbour", suspension_reason=billing)
    stage.change(
        "Harbour's invoice is overdue",
        "authz tenants suspend harbour --for billing",
        lambda: stage.tenants.SuspendTenant(closed),
    )
    shut = "denied, TENANT_SUSPENDED"
    stage.ask("May Olga, its owner, push a branch?", "user:olga", PUSH, shut, "harbour")
    stage.ask("Others notice nothing", "user:olga", PUSH, tenant="observatory")
    opened = tenant_pb2.ResumeTenantRequest(tenant="harbour", suspension_reason=billing)
    stage.change(
        "It paid",
        "authz tenants resume harbour --for billing",
        lambda: stage.tenants.ResumeTenant(opened),
    )
    stage.ask("And Olga goes on", "user:olga", PUSH, tenant="harbour")


def _limit_verdict(answer: pb.CheckLimitResponse) -> str:
    answered = verdict(allowed=answer.allowed, reason=answer.reason)
    remaining = f", {answer.remaining} more could be used" if answer.allowed else ""
    return f"{answered}{remaining}, at most {limit_value(answer.limit.limit)}"
