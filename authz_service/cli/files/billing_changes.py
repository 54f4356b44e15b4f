"""From `billing.yaml` of a folder to the commands that make it the billing policy in force."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.cli.session import Session
from authz_service.domain.billing_documents import PartKind
from authz_service.domain.billing_part import BillingPart, BillingParts, parts_of
from authz_service.domain.policy_set import PolicySet
from authz_service.gen.authz.v1 import billing_policy_pb2
from authz_service.gen.authz.v1 import changeset_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.message import Message

_ANY: Final = FieldMask(paths=["*"])


def read(folder: Path, policy: PolicySet) -> dict[str, Any] | None:
    """Read the file of a folder, beside the policy there; None if it has none."""
    from authz_service.policyfiles import billing_policy_file

    return billing_policy_file.read_data(folder, policy)


def in_force(session: Session) -> tuple[list[BillingPart], int]:
    """Read the billing policy in force, and its revision."""
    request = billing_policy_pb2.GetBillingPolicyRequest()
    answer = session.billing_policy.GetBillingPolicy(request)
    messages = [*answer.billing_sources, *answer.billing_prices]
    messages += [answer.billing_settings] if answer.HasField("billing_settings") else []
    return [_part(message) for message in messages], answer.revision


def written(parts: Iterable[BillingPart]) -> str:
    """Write the parts as the file that has them."""
    from authz_service.policyfiles import billing_policy_file

    by_name = {(part.kind, part.id): part for part in parts}
    return billing_policy_file.write(BillingParts(by_name).data())


def commands(
    data: Mapping[str, Any] | None, existing: Iterable[BillingPart], *, prune: bool
) -> tuple[list[pb.Command], list[str], int]:
    """Give the commands, what is left alone, and how many parts are the same.

    A folder without the file (None) sells nothing, so settings that were made are as by default.
    """
    present = {(part.kind, part.id): part for part in existing}
    puts, same = [], 0
    parts = parts_of(data or {}) if data is not None or present else ()
    for part in map(_normal, parts):
        if present.pop((part.kind, part.id), None) == part:
            same += 1
        else:
            puts.append(_put(part))
    going = [part for part in present.values() if part.kind is not PartKind.SETTINGS]
    if prune:
        return [*puts, *map(_delete, going)], [], same
    return puts, [f"billing-{part.kind} {part.id}" for part in going], same


def _put(part: BillingPart) -> pb.Command:
    command = pb.Command()
    field = f"billing_{part.kind}"
    request = getattr(command, f"update_{field}")
    getattr(request, field).CopyFrom(_message(part))
    request.update_mask.CopyFrom(_ANY)
    if part.kind is not PartKind.SETTINGS:
        request.allow_missing = True
    return command


def _delete(part: BillingPart) -> pb.Command:
    command = pb.Command()
    getattr(command, f"delete_billing_{part.kind}").id = part.id
    return command


def _normal(part: BillingPart) -> BillingPart:
    """Write a part as the API has it: a file may say the same in other words, `24h` for `1d`."""
    return _part(_message(part))


def _message(part: BillingPart) -> "Message":
    from authz_service.rpc.messages import billing_policy as convert

    message: Message = convert.part_message(part)
    message.ClearField("revision")
    return message


def _part(message: Any) -> BillingPart:
    from authz_service.rpc.messages import billing_policy as convert

    match message:
        case billing_policy_pb2.BillingPrice():
            return convert.price(message)
        case billing_policy_pb2.BillingSource():
            return convert.source(message)
    return convert.settings(message)
