"""Changesets: messages to values, and scheduled ones back."""

from collections.abc import Iterable
from typing import Any, Final

from authz_service.domain import changeset
from authz_service.domain.change import Blocker
from authz_service.domain.changeset import AnyChange, Changeset, ObjectKind
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import changeset_pb2 as pb
from authz_service.rpc.messages import catalog, effects, values
from authz_service.rpc.methods import Shown
from authz_service.usecases.changesets.scheduling import Scheduled

_DEFINITIONS: Final = {
    pb.DEFINITION_KIND_PERMISSION: ObjectKind.PERMISSION,
    pb.DEFINITION_KIND_ROLE: ObjectKind.ROLE,
    pb.DEFINITION_KIND_TIER: ObjectKind.TIER,
    pb.DEFINITION_KIND_ADD_ON: ObjectKind.ADD_ON,
}


def changes(messages: Iterable[pb.WantedChange]) -> Changeset:
    """Read a set. Raises: INVALID_FIELD, naming the change that says nothing."""
    return Changeset(tuple(_change(message, at) for at, message in enumerate(messages)))


def _change(message: pb.WantedChange, at: int) -> AnyChange:
    which = message.WhichOneof("change")
    if which is None:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "say what to change", field=f"changes[{at}]"
        )
    try:
        made: AnyChange = _MAKE[which](getattr(message, which))
    except InvalidArgument as refusal:
        refusal.field = f"changes[{at}].{refusal.field}"
        raise
    return made


_MAKE: Final[dict[str, Any]] = {
    "permission": lambda m: changeset.Put(catalog.permission(m)),
    "role": lambda m: changeset.Put(catalog.role(m)),
    "tier": lambda m: changeset.Put(catalog.tier(m)),
    "add_on": lambda m: changeset.Put(catalog.add_on(m)),
    "delete": lambda m: changeset.Delete(_kind(m.kind), m.id, m.replacement),
    "role_grant": lambda m: changeset.Give(values.role_grant(m)),
    "revoke_role": lambda m: changeset.Revoke(
        m.tenant,
        m.subject,
        m.role,
        m.scope,
        values.source_filter(m.source, "revoke_role.source"),
    ),
    "exception": lambda m: changeset.Except(values.exception(m)),
    "end_exception": lambda m: changeset.EndException(m.tenant, m.id),
    "set_tier": lambda m: changeset.MoveToTier(m.tenant, m.tier),
    "set_add_on": lambda m: changeset.HoldAddOn(m.tenant, m.add_on, not m.removed),
}


def _kind(number: pb.DefinitionKind.ValueType) -> ObjectKind:
    found = _DEFINITIONS.get(number)
    if found is None:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "kind must be one of its named values", field="delete.kind"
        )
    return found


def scheduled_message(value: Scheduled) -> pb.ScheduledChangeset:
    """Write a scheduled changeset without the objects that it would change, as lists show it."""
    return pb.ScheduledChangeset(
        id=value.id,
        at=values.timestamp(value.at),
        actor=value.actor,
        on_behalf_of=value.on_behalf_of,
        reason=value.reason,
        create_time=values.timestamp(value.created_at),
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
