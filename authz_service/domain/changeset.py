"""Changesets: any number of commands that are previewed, and then applied, as one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from authz_service.errors import ErrorReason, InvalidArgument

MAX_COMMANDS: Final = 10_000
"""Commands in one changeset: enough for every definition of a large product."""

Name: TypeAlias = tuple[str, str, str]
"""An object as `comparison.named` names it: its kind, its tenant and its id there."""


@dataclass(frozen=True, slots=True)
class ChangesetCommand:
    """What one RPC is asked to do, as its use case takes it."""

    rpc: str
    """Example: `UpdateRole`."""
    content: Any


@dataclass(frozen=True, slots=True)
class Changeset:
    """Commands in no order: the service takes definitions first, deletions last."""

    commands: tuple[ChangesetCommand, ...] = ()


@dataclass(frozen=True, slots=True)
class Footprint:
    """Which objects a command is about, so that no two of one changeset contradict each other."""

    decides: tuple[Name, ...] = ()
    """What the command alone decides: no other one may decide it too."""
    within: tuple[Name, ...] = ()
    """What it decides a part of: no other one may decide the whole."""
    needs: tuple[Name, ...] = ()
    """What has to be there afterwards: no other one may delete it."""
    deletes: tuple[Name, ...] = ()
    watches: tuple[Name, ...] = ()
    """What else a commit between preview and apply must leave alone."""

    @property
    def names(self) -> tuple[Name, ...]:
        return (*self.decides, *self.within, *self.needs, *self.deletes, *self.watches)


def require_size(count: int) -> None:
    """Check the number of commands. Raises: INVALID_FIELD for none, BATCH_TOO_LARGE."""
    if not count:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            "at least one command is required",
            field="changeset.commands",
        )
    if count > MAX_COMMANDS:
        raise InvalidArgument(
            ErrorReason.BATCH_TOO_LARGE,
            f"{count} commands are more than the {MAX_COMMANDS} that a changeset may have; "
            "split it",
            field="changeset.commands",
            details={"limit": str(MAX_COMMANDS)},
        )


def require_no_collision(footprints: Sequence[Footprint]) -> None:
    """Refuse commands whose outcome would depend on their order. Raises: COMMANDS_COLLIDE."""
    for one, other, name in _collisions(footprints):
        first, second = sorted((one, other))
        label = " ".join(part for part in name if part)
        raise InvalidArgument(
            ErrorReason.COMMANDS_COLLIDE,
            f"commands {first} and {second} both decide about {label}: keep one of them",
            field=f"changeset.commands[{second}]",
            details={"first": str(first), "second": str(second)},
        )


def _collisions(footprints: Sequence[Footprint]) -> Iterator[tuple[int, int, Name]]:
    deciding: dict[Name, int] = {}
    deleting: dict[Name, int] = {}
    for number, footprint in enumerate(footprints):
        for name in footprint.decides:
            if deciding.setdefault(name, number) != number:
                yield deciding[name], number, name
        deleting |= dict.fromkeys(footprint.deletes, number)
    for number, footprint in enumerate(footprints):
        for name in footprint.within:
            if deciding.get(name, number) != number:
                yield deciding[name], number, name
        for name in footprint.needs:
            if name in deleting:
                yield deleting[name], number, name
