"""From a folder of policy files, or from a kept plan, to the changes that the service is asked."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.cli.change_plan import ChangePlan
from authz_service.cli.display.progress import waiting
from authz_service.cli.paging import every
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.policy_set import PolicySet
from authz_service.gen.authz.v1 import add_on_pb2, permission_pb2, role_pb2, tier_pb2
from authz_service.gen.authz.v1 import changeset_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.message import Message

_FORMAT: Final = 1
_KINDS: Final = {
    "permission": pb.DEFINITION_KIND_PERMISSION,
    "role": pb.DEFINITION_KIND_ROLE,
    "tier": pb.DEFINITION_KIND_TIER,
    "add-on": pb.DEFINITION_KIND_ADD_ON,
}


@dataclass(slots=True)
class Difference:
    """What makes a policy in force the one that is wanted."""

    changes: list[pb.WantedChange] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    same: int = 0


def in_force(session: Session) -> tuple[PolicySet, int]:
    """Read the policy in force, by id, but for the service's own; and the newest revision."""
    from authz_service.rpc.messages import catalog as convert

    with waiting("Reading the policy in force"):
        permissions = every(
            session.permissions.ListPermissions,
            permission_pb2.ListPermissionsRequest(),
            lambda p: p.permissions,
        )
        roles = every(session.roles.ListRoles, role_pb2.ListRolesRequest(), lambda p: p.roles)
        tiers = every(session.tiers.ListTiers, tier_pb2.ListTiersRequest(), lambda p: p.tiers)
        add_ons = every(
            session.add_ons.ListAddOns, add_on_pb2.ListAddOnsRequest(), lambda p: p.add_ons
        )
    policy = PolicySet(
        tuple(map(convert.permission, permissions.permissions)),
        tuple(map(convert.role, roles.roles)),
        tuple(map(convert.tier, tiers.tiers)),
        tuple(map(convert.add_on, add_ons.add_ons)),
    )
    return policy, max(each.revision for each in (permissions, roles, tiers, add_ons))


def planned(
    session: Session,
    policy: PolicySet,
    *,
    prune: bool,
    replacing: Sequence[str],
    at: Timestamp | None = None,
) -> ChangePlan:
    """Compare a policy with what is in force now, and ask what the difference would do."""
    existing, revision = in_force(session)
    found = difference(policy, existing, _replacements(replacing), prune=prune)
    made = previewed(session, found.changes, at=at)
    if not found.changes:
        made = replace(made, preview=pb.PreviewChangesetResponse(revision=revision))
    return replace(made, left=tuple(found.left), same=found.same)


def previewed(
    session: Session, changes: Sequence[pb.WantedChange], at: Timestamp | None = None
) -> ChangePlan:
    """Ask what changes would do at an instant; nothing is asked where there are none."""
    preview = pb.PreviewChangesetResponse()
    if changes:
        with waiting(f"Looking at what {len(changes):,} changes would do"):
            request = pb.PreviewChangesetRequest(changes=changes, at=at)
            preview = session.changesets.PreviewChangeset(request)
    return ChangePlan(tuple(changes), preview, at=at)


def difference(
    policy: PolicySet, existing: PolicySet, replacing: Mapping[tuple[str, str], str], *, prune: bool
) -> Difference:
    """Compare two policies, definition by definition; the service's own are left alone.

    What `policy` lacks goes if it is to be pruned, or if something replaces it.
    """
    from authz_service.rpc.messages import catalog as convert

    found, policy = Difference(), policy.product
    sections: tuple[tuple[str, Iterable[Any], Iterable[Any], Callable[[Any], Message]], ...] = (
        ("permission", policy.permissions, existing.permissions, convert.permission_message),
        ("role", policy.roles, existing.roles, convert.role_message),
        ("tier", policy.tiers, existing.tiers, convert.tier_message),
        ("add-on", policy.add_ons, existing.add_ons, convert.add_on_message),
    )
    for kind, wanted, present, message in sections:
        held = {_name(fact): fact for fact in present}
        for fact in wanted:
            if held.pop(_name(fact), None) == fact:
                found.same += 1
            else:
                changed: dict[str, Any] = {kind.replace("-", "_"): message(fact)}
                found.changes.append(pb.WantedChange(**changed))
        for name in held:
            other = replacing.get((kind, name), "")
            if prune or other:
                deletion = pb.Deletion(kind=_KINDS[kind], id=name, replacement=other)
                found.changes.append(pb.WantedChange(delete=deletion))
            else:
                found.left.append(f"{kind} {name}")
    return found


def _name(fact: Permission | Role | Plan) -> str:
    return fact.name if isinstance(fact, Plan) else fact.id


def _replacements(given: Sequence[str]) -> dict[tuple[str, str], str]:
    """Read `role:editor=viewer`. A permission's own colon is the second one."""
    found = {}
    for text in given:
        kind, colon, rest = text.partition(":")
        old, equals, new = rest.partition("=")
        if not (colon and equals and old and new) or kind not in _KINDS:
            message = f"{text!r} is no replacement: write KIND:OLD=NEW, as in role:editor=viewer; "
            message += f"kinds are {', '.join(_KINDS)}"
            raise Failure(ExitCode.USAGE, "USAGE", message, field="--replace")
        found[kind, old] = new
    return found


def keep(plan: ChangePlan, file: Path) -> None:
    """Write a plan so that it can be applied later."""
    document = {
        "format": _FORMAT,
        "changes": [_dict(change) for change in plan.changes],
        "preview": _dict(plan.preview),
        "at": plan.at.ToJsonString() if plan.at is not None else None,
    }
    try:
        file.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise Failure(ExitCode.USAGE, "UNWRITABLE_FILE", message, field="--out") from None


def kept(file: Path) -> ChangePlan:
    """Read a plan that `keep` wrote."""
    try:
        document = json.loads(file.read_text("utf-8"))
        if document["format"] != _FORMAT:
            raise ValueError(f"its format is {document['format']!r}, not {_FORMAT}")
        changes = [ParseDict(each, pb.WantedChange()) for each in document["changes"]]
        preview = ParseDict(document["preview"], pb.PreviewChangesetResponse())
        at = _instant(document.get("at"))
    except (OSError, ValueError, KeyError, TypeError, ParseError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{file} is no plan: {why}"
        advice = "make one with authz plan FOLDER --out FILE"
        raise Failure(
            ExitCode.USAGE, "UNREADABLE_PLAN", message, field="--plan", advice=advice
        ) from None
    return ChangePlan(tuple(changes), preview, at=at)


def _instant(text: str | None) -> Timestamp | None:
    if text is None:
        return None
    at = Timestamp()
    at.FromJsonString(text)
    return at


def _dict(message: "Message") -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)
