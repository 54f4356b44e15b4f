"""Changesets: messages to values, and scheduled ones back."""

from collections.abc import Mapping
from typing import Final

from authz_service.domain.change import Blocker
from authz_service.domain.changeset import Changeset, ChangesetCommand
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import changeset_pb2 as pb
from authz_service.rpc.messages import effects, values
from authz_service.rpc.methods import Method, Shown
from authz_service.usecases.changesets.scheduling import Scheduled

_RPC_OF: Final = {
    field.name: field.message_type.name.removesuffix("Request")
    for field in pb.Command.DESCRIPTOR.fields
    if field.message_type is not None
}
"""The RPC whose request each field of a command is."""

_OF_THE_CHANGESET: Final = ("request_id", "validate_only", "reason")


def changeset(message: pb.Changeset, methods: Mapping[str, Method]) -> Changeset:
    """Read a changeset, each command as its RPC's method reads its request.

    Raises: INVALID_FIELD, naming the command.
    """
    return Changeset(
        tuple(_command(command, number, methods) for number, command in enumerate(message.commands))
    )


def _command(message: pb.Command, number: int, methods: Mapping[str, Method]) -> ChangesetCommand:
    field = message.WhichOneof("command")
    if field is None:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            "a command is required",
            field=f"changeset.commands[{number}]",
        )
    request, rpc = getattr(message, field), _RPC_OF[field]
    try:
        for name in _OF_THE_CHANGESET:
            if getattr(request, name, None):
                raise InvalidArgument(
                    ErrorReason.INVALID_FIELD, "set it for the whole changeset", field=name
                )
        return ChangesetCommand(rpc, methods[rpc].command(request))
    except InvalidArgument as refusal:
        refusal.field = f"changeset.commands[{number}].{field}.{refusal.field}"
        raise


def scheduled_message(value: Scheduled) -> pb.ScheduledChangeset:
    """Write a scheduled changeset without the objects that it would change, as lists show it."""
    return pb.ScheduledChangeset(
        id=value.id,
        apply_time=values.timestamp(value.at),
        actor=value.actor,
        on_behalf_of=value.on_behalf_of,
        reason=value.reason,
        create_time=values.timestamp(value.created_at),
        rpcs=value.rpcs,
        object_count=len(value.objects),
        blocker=_blocker_message(value.blocker) if value.blocker else None,
    )


def _blocker_message(value: Blocker) -> pb.Blocker:
    return pb.Blocker(reason=value.reason, message=value.message, tenant=value.tenant)


def _whole_message(value: Scheduled) -> pb.ScheduledChangeset:
    message = scheduled_message(value)
    message.objects.extend(map(effects.object_message, value.objects))
    return message


LISTED: Final = Shown("scheduled", "scheduled", scheduled_message)
SCHEDULED: Final = Shown("scheduled", "scheduled", _whole_message)
