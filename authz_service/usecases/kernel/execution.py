"""Use cases: what a change is, what a read is, and what they take. `executor.py` runs them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar, get_type_hints

from pydantic import TypeAdapter

from authz_service.domain.change import Revision
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.gen.access import Access
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel.previews import Preview
from authz_service.usecases.kernel.rights import access_of


class Command(Protocol):
    """The content of a request: a frozen command that names the tenant it is about."""

    @property
    def tenant(self) -> str:
        """The tenant, or "" if the request concerns no single one."""


class CommandOfMany(Command, Protocol):
    """The content of a request that may be about several tenants; its `tenant` is ""."""

    @property
    def tenants(self) -> Collection[str]:
        """The tenants, each once."""


W = TypeVar("W", bound=Command)
M = TypeVar("M", bound=CommandOfMany)
T = TypeVar("T")


def its_tenant(command: Command) -> Collection[str]:
    return (command.tenant,)


def _its_tenants(command: CommandOfMany) -> Collection[str]:
    return command.tenants


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a use case says, and at which revision.

    `repeated` marks an earlier call's answer; a dry run has a `preview`.
    """

    revision: Revision
    value: T
    repeated: bool = False
    preview: Preview | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What a read looks at: the facts of one revision. The database has what no index holds."""

    index: Index
    database: Database
    now: Instant


@dataclass(frozen=True, slots=True)
class Begun(Generic[W, T]):
    """How far a change came aside from the head.

    `rest` is what is left to be done there, None if nothing is. `value` is the answer, so far.
    """

    value: T
    rest: W | None = None


@dataclass(frozen=True, slots=True)
class ChangeCase(Generic[W, T]):
    """A change and what it takes, for each of the `tenants` that a request is about.

    `codec` keeps its value for repeated requests. `ahead` completes the command by what takes long,
    once the caller is let in and before the transaction begins. `aside` does what it can without
    the head, which is kept whatever becomes of the rest; None if all is to be done at the head.
    """

    rpc: str
    access: Access
    body: Callable[[Transaction, W], T]
    codec: TypeAdapter[T]
    tenants: Callable[[W], Collection[str]] = its_tenant
    ahead: Callable[[View, W], W] | None = None
    aside: Callable[[Transaction, W], Begun[W, T] | None] | None = None

    @classmethod
    def of(cls, rpc: str, body: Callable[[Transaction, W], T]) -> "ChangeCase[W, T]":
        """Make the change that an RPC runs. Raises: LookupError, if there is no such RPC."""
        return cls(rpc, access_of(rpc), body, TypeAdapter(get_type_hints(body)["return"]))

    @property
    def right(self) -> str:
        return self.access.right


@dataclass(frozen=True, slots=True)
class ReadCase(Generic[W, T]):
    """A read and what it takes. A `long` one is done in a process of its own, if there is one."""

    rpc: str
    access: Access
    body: Callable[[View, W], T]
    long: bool = False

    @classmethod
    def of(cls, rpc: str, body: Callable[[View, W], T]) -> "ReadCase[W, T]":
        """Make the read that an RPC runs. Raises: LookupError, if there is no such RPC."""
        return cls(rpc, access_of(rpc), body)

    @property
    def right(self) -> str:
        return self.access.right


def change(body: Callable[[Transaction, W], T]) -> ChangeCase[W, T]:
    """Make a change out of a function that does it within a transaction.

    The function has the name of its RPC: `grant_role` is run by `GrantRole`, and takes what the
    option of that RPC says.
    """
    return ChangeCase.of(_rpc(body), body)


def change_after(
    ahead: Callable[[View, W], W],
) -> Callable[[Callable[[Transaction, W], T]], ChangeCase[W, T]]:
    """Make a change whose command is completed ahead of its transaction."""

    def made(body: Callable[[Transaction, W], T]) -> ChangeCase[W, T]:
        return replace(change(body), ahead=ahead)

    return made


def change_begun(
    aside: Callable[[Transaction, W], Begun[W, T] | None],
) -> Callable[[Callable[[Transaction, W], T]], ChangeCase[W, T]]:
    """Make a change that is begun aside from the head; its function does there what is left."""

    def made(body: Callable[[Transaction, W], T]) -> ChangeCase[W, T]:
        return replace(change(body), aside=aside)

    return made


def change_of_many(body: Callable[[Transaction, M], T]) -> ChangeCase[M, T]:
    """Make a change that may be about several tenants: the right is asked for each."""
    return replace(ChangeCase.of(_rpc(body), body), tenants=_its_tenants)


def read(body: Callable[[View, W], T]) -> ReadCase[W, T]:
    """Make a read out of a function that looks at a view and has the name of its RPC."""
    return ReadCase.of(_rpc(body), body)


def long_read(body: Callable[[View, W], T]) -> ReadCase[W, T]:
    """Make a read whose work grows with all that there is, and would hold up other calls."""
    return replace(ReadCase.of(_rpc(body), body), long=True)


def _rpc(body: Callable[..., object]) -> str:
    return "".join(word.capitalize() for word in body.__name__.split("_"))
