"""From a folder of policy files, or from a plan file, to the changeset to apply."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.cli.change_plan import ChangePlan
from authz_service.cli.display.progress import waiting
from authz_service.cli.files import billing_changes, refused_files
from authz_service.cli.paging import every
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.own_policy import is_own
from authz_service.domain.policy_set import PolicySet
from authz_service.gen.authz.v1 import add_on_pb2, permission_pb2, role_pb2, tier_pb2
from authz_service.gen.authz.v1 import changeset_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.message import Message

_FORMAT: Final = 2
_KINDS: Final = ("permission", "role", "tier", "add-on")


@dataclass(slots=True)
class Difference:
    """What turns the policy in force into the one of the files."""

    commands: list[pb.Command] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    same: int = 0


def in_force(session: Session, *, reserved: bool = False) -> tuple[PolicySet, int]:
    """Read the policy in force, by id, and the newest revision; the service's own if `reserved`."""
    from authz_service.rpc.messages import catalog as convert

    with waiting("Reading the policy in force"):
        permissions = every(
            session.permissions.ListPermissions,
            permission_pb2.ListPermissionsRequest(include_reserved=reserved),
            lambda p: p.permissions,
        )
        roles = every(
            session.roles.ListRoles,
            role_pb2.ListRolesRequest(include_reserved=reserved),
            lambda p: p.roles,
        )
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
    return policy, max(
        list_add_ons.revision for list_add_ons in (permissions, roles, tiers, add_ons)
    )


def planned(
    session: Session,
    policy: PolicySet,
    *,
    folder: Path | None = None,
    billing: Mapping[str, Any] | None = None,
    prune: bool = False,
    reserved: bool = False,
    replacing: Sequence[str] = (),
    at: Timestamp | None = None,
) -> ChangePlan:
    """Compare a policy with what is in force now, and preview the difference.

    The billing policy is left alone unless `billing` says what it is to be, or what is in no file
    is to be pruned. The service's own permissions and roles are compared if `reserved`; none is
    ever deleted.

    Raises:
        Failure: the service refuses it; by file and line if the policy comes from a `folder`.
    """
    existing, revision = in_force(session, reserved=reserved)
    compared = policy if reserved else policy.product
    change = difference(compared, existing, _replacements(replacing), prune=prune)
    if billing is not None or prune:
        parts, newest = billing_changes.in_force(session)
        commands, left, same = billing_changes.commands(billing, parts, prune=prune)
        change.commands += commands
        change.left += left
        change.same += same
        revision = max(revision, newest)
    previewed = pb.PreviewChangesetResponse(revision=revision)
    changeset = pb.Changeset(commands=change.commands, apply_time=at)
    if change.commands:
        with waiting(f"Looking at what {len(change.commands):,} commands would do"):
            request = pb.PreviewChangesetRequest(changeset=changeset)
            try:
                previewed = session.changesets.PreviewChangeset(request)
            except Failure as refusal:
                if folder is None:
                    raise
                raise refused_files.located(refusal, changeset, folder) from None
    return ChangePlan(changeset, previewed, tuple(change.left), change.same)


def difference(
    policy: PolicySet, existing: PolicySet, replacing: Mapping[tuple[str, str], str], *, prune: bool
) -> Difference:
    """Compare two policies, definition by definition.

    What `policy` lacks is deleted if it is to be pruned, or if something replaces it; what is the
    service's own stays.
    """
    change = Difference()
    present = dict(_sections(existing))
    for kind, facts in _sections(policy):
        in_force = {_name(fact): fact for fact in present[kind]}
        for fact in facts:
            if in_force.pop(_name(fact), None) == fact:
                change.same += 1
            else:
                change.commands.append(_put(kind, fact))
        for name in in_force:
            other = replacing.get((kind, name), "")
            if other or (prune and not is_own(name)):
                change.commands.append(_command("delete", kind, id=name, replacement=other))
            else:
                change.left.append(f"{kind} {name}")
    return change


def puts(policy: PolicySet) -> list[pb.Command]:
    """Write the commands that create or update every definition of a policy."""
    return [_put(kind, fact) for kind, facts in _sections(policy.product) for fact in facts]


def _sections(policy: PolicySet) -> tuple[tuple[str, Sequence[Permission | Role | Plan]], ...]:
    sections = (policy.permissions, policy.roles, policy.tiers, policy.add_ons)
    return tuple(zip(_KINDS, sections, strict=True))


def _put(kind: str, fact: Permission | Role | Plan) -> pb.Command:
    """Write the command that creates a definition, or updates all of its fields."""
    from authz_service.rpc.messages import catalog

    noun = kind.replace("-", "_")
    message = getattr(catalog, f"{noun}_message")(fact)
    return _command(
        "update", kind, update_mask=FieldMask(paths=["*"]), allow_missing=True, **{noun: message}
    )


def _command(verb: str, kind: str, **fields: Any) -> pb.Command:
    """Write a command: the request of `UpdateRole`, say, in its field `update_role`."""
    command = pb.Command()
    request = getattr(command, f"{verb}_{kind.replace('-', '_')}")
    request.MergeFrom(type(request)(**fields))
    return command


def _name(fact: Permission | Role | Plan) -> str:
    return fact.name if isinstance(fact, Plan) else fact.id


def _replacements(texts: Sequence[str]) -> dict[tuple[str, str], str]:
    """Read `role:editor=viewer`. A permission's own colon is the second one."""
    replacements = {}
    for text in texts:
        kind, colon, rest = text.partition(":")
        old, equals, new = rest.partition("=")
        if not (colon and equals and old and new) or kind not in _KINDS:
            message = f"{text!r} is no replacement: write KIND:OLD=NEW, as in role:editor=viewer; "
            message += f"kinds are {', '.join(_KINDS)}"
            raise Failure(ExitCode.USAGE, "USAGE", message, field="--replace")
        replacements[kind, old] = new
    return replacements


def keep(plan: ChangePlan, file: Path) -> None:
    """Write a plan so that it can be applied later."""
    document = {
        "format": _FORMAT,
        "changeset": _dict(plan.changeset),
        "previewed": _dict(plan.previewed),
    }
    try:
        file.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise Failure(ExitCode.USAGE, "UNWRITABLE_FILE", message, field="--out") from None


def read_plan(file: Path) -> ChangePlan:
    """Read a plan that `keep` wrote."""
    try:
        document = json.loads(file.read_text("utf-8"))
        if document["format"] != _FORMAT:
            raise ValueError(f"its format is {document['format']!r}, not {_FORMAT}")
        changeset = ParseDict(document["changeset"], pb.Changeset())
        previewed = ParseDict(document["previewed"], pb.PreviewChangesetResponse())
    except (OSError, ValueError, KeyError, TypeError, ParseError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{file} is no plan: {why}"
        advice = "make one with authz plan FOLDER --out FILE"
        raise Failure(
            ExitCode.USAGE, "UNREADABLE_PLAN", message, field="--plan", advice=advice
        ) from None
    return ChangePlan(changeset, previewed)


def _dict(message: "Message") -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)
