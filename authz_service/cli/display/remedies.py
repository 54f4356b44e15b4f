"""What to do about a denial, as the command that does it."""

import shlex
from collections.abc import Iterator
from typing import Final

from authz_service.gen.authz.v1 import authorization_pb2 as pb

_SERVES: Final = {
    "permission": (pb.REMEDY_KIND_DECLARE_PERMISSION,),
    "tenant": (pb.REMEDY_KIND_ONBOARD_TENANT, pb.REMEDY_KIND_RESUME_TENANT),
    "membership": (pb.REMEDY_KIND_ADD_MEMBER, pb.REMEDY_KIND_RESUME_MEMBER),
    "exceptions": (pb.REMEDY_KIND_REVOKE_EXCEPTION,),
    "roles": (pb.REMEDY_KIND_GRANT_ROLE,),
    "entitlement": (
        pb.REMEDY_KIND_CHANGE_TIER,
        pb.REMEDY_KIND_GRANT_EXCEPTION,
        pb.REMEDY_KIND_REVOKE_EXCEPTION,
    ),
    "limit": (pb.REMEDY_KIND_RAISE_LIMIT,),
}
"""Which remedies still a layer's objection."""


_COMMANDS: Final = {
    pb.REMEDY_KIND_DECLARE_PERMISSION: "authz permissions create {permission}",
    pb.REMEDY_KIND_ONBOARD_TENANT: "authz tenants onboard {tenant} --tier {TIER} "
    "--member {subject}",
    pb.REMEDY_KIND_RESUME_TENANT: "authz tenants resume {tenant} --for {WHAT}",
    pb.REMEDY_KIND_ADD_MEMBER: "authz members add {tenant} {subject}",
    pb.REMEDY_KIND_REVOKE_EXCEPTION: "authz exceptions revoke {tenant} {ID}",
    pb.REMEDY_KIND_GRANT_ROLE: "authz grant {tenant} {subject} {ROLE}{scope}",
    pb.REMEDY_KIND_CHANGE_TIER: "authz tenants set-tier {tenant} {TIER}",
    pb.REMEDY_KIND_GRANT_EXCEPTION: "authz exceptions grant {tenant} {permission} "
    "--reason WHY --approver WHO",
    pb.REMEDY_KIND_RAISE_LIMIT: "authz tenants set-tier {tenant} {TIER}",
}
_CHOICES: Final = ("TIER", "WHAT", "ID", "ROLE")
"""Places of the remedy's options; where it has none, words for the reader to fill in."""


_ALL_OPTIONS: Final = {pb.REMEDY_KIND_RESUME_TENANT, pb.REMEDY_KIND_REVOKE_EXCEPTION}
"""Elsewhere one option is enough."""


def command(question: pb.ExplainRequest, remedy: pb.Remedy) -> str:
    """Write the command that a remedy comes to, "" where there is none."""
    asked = {
        "tenant": shlex.quote(question.tenant),
        "subject": shlex.quote(question.subject),
        "permission": shlex.quote(question.permission),
        "scope": f" --scope {shlex.quote(question.scope)}" if question.scope else "",
    }
    if remedy.kind == pb.REMEDY_KIND_RESUME_TENANT and not remedy.options:
        return f"authz tenants activate {asked['tenant']}"
    options = remedy.options if remedy.kind in _ALL_OPTIONS else remedy.options[:1]
    chosen = [dict.fromkeys(_CHOICES, shlex.quote(option)) for option in options]
    template = _COMMANDS.get(remedy.kind, "")
    return " && ".join(
        template.format(**asked, **each) for each in chosen or [{word: word for word in _CHOICES}]
    )


def needed(answer: pb.ExplainResponse) -> list[pb.Remedy]:
    """Choose what must be done together: the most direct remedy for each layer that objects."""
    objecting = [layer.layer for layer in answer.layers if not layer.agrees]
    chosen = list(_most_direct(answer, objecting))
    return chosen or list(answer.remedies[:1])


def _most_direct(answer: pb.ExplainResponse, objecting: list[str]) -> Iterator[pb.Remedy]:
    done: set[int] = set()
    for layer in objecting:
        kinds = _SERVES.get(layer, ())
        for remedy in answer.remedies:
            if remedy.kind in kinds:
                if remedy.kind not in done:
                    yield remedy
                done.add(remedy.kind)
                break
