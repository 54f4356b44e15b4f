"""What to do about a denial, as commands that can be run as they stand."""

import shlex
from typing import Any

from authz_service.cli.display.plan_values import limit_form
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import suspension_pb2

_PREFIX = "SUSPENSION_REASON_"


def command(remedy: pb.Remedy) -> str:
    """Write a remedy as one line of commands, each run only if the one before succeeded."""
    return " && ".join(shlex.join(["authz", *_words(step)]) for step in remedy.steps)


def _words(step: pb.RemedyStep) -> list[str]:
    name = step.WhichOneof("call") or ""
    request = getattr(step, name)
    match name:
        case "create_permission":
            return ["permissions", "create", request.permission.id]
        case "create_role":
            granted = [word for p in request.role.permissions for word in ("--permission", p)]
            return ["roles", "create", request.role.id, *granted]
        case "grant_role":
            grant = request.role_grant
            scope = ["--scope", grant.scope] if grant.scope else []
            return ["grant", grant.tenant, grant.subject, grant.role, *scope]
        case "create_exception":
            return _exception(request.exception)
        case "delete_exception":
            return ["exceptions", "revoke", request.tenant, request.id]
        case "add_member":
            return ["members", "add", request.tenant, request.member.subject]
        case "resume_member":
            return ["members", "resume", request.tenant, request.subject, *_for(request)]
        case _:
            return ["tenants", *_of_tenant(name, request)]


def _of_tenant(name: str, request: Any) -> list[str]:
    tenant = request.tenant
    match name:
        case "onboard_tenant":
            return ["onboard", tenant, "--tier", request.tier]
        case "resume_tenant":
            return ["resume", tenant, *_for(request)]
        case "activate_tenant":
            return ["activate", tenant]
        case "reactivate_tenant":
            return ["reactivate", tenant]
        case "set_tier":
            return ["set-tier", tenant, request.tier]
        case "add_add_on":
            return ["add-ons", "add", tenant, request.add_on]
        case "set_limits":
            return ["limits", "set", tenant, *map(limit_form, request.limits)]
    raise LookupError(f"no command is known for {name}")


def _exception(exception: Any) -> list[str]:
    questions = ["--reason", exception.reason, "--approver", exception.approver]
    return ["exceptions", "grant", exception.tenant, *exception.permissions, *questions]


def _for(request: Any) -> list[str]:
    reason = suspension_pb2.SuspensionReason.Name(request.suspension_reason)
    return ["--for", reason.removeprefix(_PREFIX).lower()]
