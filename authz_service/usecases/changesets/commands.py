"""The commands that a changeset may hold: an entry each, with the use case that runs it alone."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter

from authz_service.domain.catalog import ADD_ON, TIER, Feature, Limit, Plan
from authz_service.domain.changeset import (
    Changeset,
    ChangesetCommand,
    Footprint,
    Name,
    require_no_collision,
    require_size,
)
from authz_service.domain.comparison import named
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.usecases.billing import billing_policy
from authz_service.usecases.billing.billing_policy import CreatePart, DeletePart, UpdatePart
from authz_service.usecases.catalog import permissions, plan_items, plans, roles
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.kinds import Kind
from authz_service.usecases.catalog.objects import Create, Update
from authz_service.usecases.catalog.plan_items import CreateItem, DeleteItem, UpdateItem
from authz_service.usecases.grants import exceptions, role_grants
from authz_service.usecases.grants.exceptions import CreateException, OneException, UpdateException
from authz_service.usecases.grants.role_grants import (
    DeleteRoleGrant,
    GrantRole,
    RevokeRole,
    UpdateRoleGrant,
)
from authz_service.usecases.kernel.execution import ChangeCase, Command
from authz_service.usecases.tenants import onboarding, subscriptions
from authz_service.usecases.tenants.onboarding import SetTier
from authz_service.usecases.tenants.subscriptions import AddAddOn, RemoveAddOn

C = TypeVar("C", bound=Command)


class Stage(IntEnum):
    """When a command is run: each stage may rely on those before it."""

    DEFINE = 1
    """Definitions that all tenants share: taken together, so that they may name each other."""
    ITEMS = 2
    """Features and limits, one at a time."""
    TENANT_ROLES = 3
    SUBSCRIBE = 4
    REVOKE = 5
    GRANT = 6
    BILLING = 7
    """Taken together, as definitions: prices name tiers, and settings name them too."""
    DELETE = 8
    """When everything that outlives it has let go."""


@dataclass(frozen=True, slots=True)
class CommandKind(Generic[C]):
    """A kind of command. `definition` is the kind of what it defines or deletes, if it does."""

    case: ChangeCase[C, Any]
    type: type[C]
    stage: Stage
    footprint: Callable[[C], Footprint]
    definition: Kind[Any] | None = None

    def stage_of(self, command: C) -> Stage:
        return Stage.TENANT_ROLES if self.stage is Stage.DEFINE and command.tenant else self.stage


def _defining(command: Create[Any] | Update[Any]) -> Footprint:
    return Footprint(decides=(named(command.object),))


def _deleting(kind: str) -> Callable[[DeleteObject], Footprint]:
    def footprint(command: DeleteObject) -> Footprint:
        names = [_name(kind, name) for name in (command.id, command.replacement) if name]
        # Grants of a role go where the role goes; nobody else may give or take them meanwhile.
        grants = tuple(_grants_of(name) for name in names)
        moved = grants if kind == "role" and command.replacement else ()
        return Footprint(
            decides=(names[0],) if names else (),
            deletes=(*names[:1], *moved),
            needs=tuple(names[1:]),
            watches=grants,
        )

    return footprint


def _name(kind: str, name: str) -> Name:
    owner, slash, _ = name.partition("/")
    return kind, owner if slash else "", name


def _grants_of(name: Name) -> Name:
    return f"{name[0]}'s grants", name[1], name[2]


def _item(noun: str) -> Callable[[CreateItem[Any] | UpdateItem[Any] | DeleteItem], Footprint]:
    def footprint(command: CreateItem[Any] | UpdateItem[Any] | DeleteItem) -> Footprint:
        name = command.name if isinstance(command, DeleteItem) else command.item.name
        plan = named(Plan(command.plan))
        return Footprint(decides=((noun, "", f"{command.plan} {name}"),), within=(plan,))

    return footprint


def _grant(tenant: str, subject: str, role: str, scope: str) -> Name:
    return "role-grant", tenant, f"{subject} {role}{f' in {scope}' if scope else ''}"


def _granting(command: GrantRole) -> Footprint:
    grant = command.grant
    role = _name("role", grant.role)
    return Footprint(
        decides=(_grant(grant.tenant, grant.subject, grant.role, grant.scope),),
        needs=(role, _grants_of(role)),
        watches=(named(grant), ("member", grant.tenant, grant.subject)),
    )


def _revoking(command: RevokeRole) -> Footprint:
    place = (command.tenant, command.subject, command.role, command.scope)
    sources = [command.source] if command.source else list(GrantSource)
    return Footprint(
        decides=(_grant(*place),),
        needs=(_grants_of(_name("role", command.role)),),
        watches=tuple(named(RoleGrant(*place, source=source)) for source in sources),
    )


def _one_grant(command: UpdateRoleGrant | DeleteRoleGrant) -> Footprint:
    return Footprint(decides=(("role-grant", command.tenant, command.id),))


def _excepting(command: CreateException) -> Footprint:
    return Footprint(watches=(("tenant", command.tenant, command.tenant),))


def _one_exception(command: UpdateException | OneException) -> Footprint:
    return Footprint(decides=(("exception", command.tenant, command.id),))


def _moving(command: SetTier) -> Footprint:
    return Footprint(
        decides=(("tier of", command.tenant, ""),),
        needs=(("tier", "", command.tier.removeprefix(TIER)),),
        watches=(("tenant", command.tenant, command.tenant),),
    )


def _billing_part(command: CreatePart | UpdatePart | DeletePart) -> Footprint:
    return Footprint(decides=((f"billing-{command.kind.value}", "", command.id),))


def _add_on(command: AddAddOn | RemoveAddOn) -> Footprint:
    add_on: Name = ("add-on", "", command.add_on.removeprefix(ADD_ON))
    return Footprint(
        decides=(("add-on of", command.tenant, command.add_on),),
        needs=(add_on,) if isinstance(command, AddAddOn) else (),
        watches=(("tenant", command.tenant, command.tenant), add_on),
    )


_DEFINITIONS: Final = tuple(
    kind
    for definition, create, update, delete in (
        (
            permissions.KIND,
            permissions.create_permission,
            permissions.update_permission,
            permissions.delete_permission,
        ),
        (roles.KIND, roles.create_role, roles.update_role, roles.delete_role),
        (plans.TIERS, plans.create_tier, plans.update_tier, plans.delete_tier),
        (plans.ADD_ONS, plans.create_add_on, plans.update_add_on, plans.delete_add_on),
    )
    for kind in (
        CommandKind(create, Create[definition.type], Stage.DEFINE, _defining, definition),  # type: ignore[name-defined,misc] # known at run time
        CommandKind(update, Update[definition.type], Stage.DEFINE, _defining, definition),  # type: ignore[name-defined,misc] # known at run time
        CommandKind(
            delete,
            DeleteObject,
            Stage.DELETE,
            _deleting(definition.field.replace("_", "-")),
            definition,
        ),
    )
)

_ITEMS: Final = tuple(
    CommandKind(case, type_, Stage.ITEMS, _item(noun))
    for noun, cases in (
        (
            "feature",
            (
                (plan_items.create_feature, CreateItem[Feature]),
                (plan_items.update_feature, UpdateItem[Feature]),
                (plan_items.delete_feature, DeleteItem),
            ),
        ),
        (
            "limit",
            (
                (plan_items.create_limit, CreateItem[Limit]),
                (plan_items.update_limit, UpdateItem[Limit]),
                (plan_items.delete_limit, DeleteItem),
            ),
        ),
    )
    for case, type_ in cases
)

_BILLING: Final[tuple[CommandKind[Any], ...]] = tuple(
    CommandKind(case, type_, Stage.BILLING, _billing_part)
    for type_, cases in (
        (CreatePart, (billing_policy.create_billing_price, billing_policy.create_billing_source)),
        (
            UpdatePart,
            (
                billing_policy.update_billing_price,
                billing_policy.update_billing_source,
                billing_policy.update_billing_settings,
            ),
        ),
        (DeletePart, (billing_policy.delete_billing_price, billing_policy.delete_billing_source)),
    )
    for case in cases
)

KINDS: Final[dict[str, CommandKind[Any]]] = {
    kind.case.rpc: kind
    for kind in (
        *_DEFINITIONS,
        *_ITEMS,
        CommandKind(role_grants.grant_role, GrantRole, Stage.GRANT, _granting),
        CommandKind(role_grants.revoke_role, RevokeRole, Stage.REVOKE, _revoking),
        CommandKind(role_grants.update_role_grant, UpdateRoleGrant, Stage.GRANT, _one_grant),
        CommandKind(role_grants.delete_role_grant, DeleteRoleGrant, Stage.REVOKE, _one_grant),
        CommandKind(exceptions.create_exception, CreateException, Stage.GRANT, _excepting),
        CommandKind(exceptions.update_exception, UpdateException, Stage.GRANT, _one_exception),
        CommandKind(exceptions.delete_exception, OneException, Stage.REVOKE, _one_exception),
        CommandKind(onboarding.set_tier, SetTier, Stage.SUBSCRIBE, _moving),
        CommandKind(subscriptions.add_add_on, AddAddOn, Stage.SUBSCRIBE, _add_on),
        CommandKind(subscriptions.remove_add_on, RemoveAddOn, Stage.SUBSCRIBE, _add_on),
        *_BILLING,
    )
}
"""By the RPC that runs the command alone. The `oneof` of `Command` in the proto has the same."""


def kind_of(command: ChangesetCommand) -> CommandKind[Any]:
    return KINDS[command.rpc]


def required(definition: Kind[Any] | None) -> Kind[Any]:
    """Return what a command defines or deletes, where its stage says that it does."""
    if definition is None:
        raise TypeError("the command neither defines nor deletes a definition")
    return definition


def footprint(command: ChangesetCommand) -> Footprint:
    return kind_of(command).footprint(command.content)


def writes_events(changeset: Changeset) -> bool:
    """Tell whether a changeset releases billing events, which stand beside the facts."""
    return any(kind_of(command).stage is Stage.BILLING for command in changeset.commands)


def checked(changeset: Changeset) -> Changeset:
    """Return the changeset if no two of its commands contradict each other.

    Raises:
        InvalidArgument: BATCH_TOO_LARGE; INVALID_FIELD, if it is empty; COMMANDS_COLLIDE.
    """
    require_size(len(changeset.commands))
    require_no_collision([footprint(command) for command in changeset.commands])
    return changeset


def written(changeset: Changeset) -> str:
    """Write a changeset as JSON, to be kept until it comes due."""
    commands = [
        (command.rpc, _codec(command.rpc).dump_python(command.content, mode="json"))
        for command in changeset.commands
    ]
    return _STORED.dump_json(commands).decode()


def read(text: str) -> Changeset:
    """Read what `written` wrote."""
    commands = (
        ChangesetCommand(rpc, _codec(rpc).validate_python(content))
        for rpc, content in _STORED.validate_json(text)
    )
    return Changeset(tuple(commands))


_STORED: Final = TypeAdapter(list[tuple[str, Any]])


@cache
def _codec(rpc: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[rpc].type)
