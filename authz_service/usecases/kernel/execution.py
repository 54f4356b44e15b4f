"""How a use case is run: authorised, audited, once.

A change is one transaction: the right is asked, an earlier answer to the same request id is given
again, else the body runs and everything it did commits together. Refusals, reads and changes that
found nothing to change are audited too.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Generic, Protocol, TypeVar, get_type_hints

from pydantic import TypeAdapter

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.change import Revision
from authz_service.domain.identity import Presented
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.engine.scheduled import in_force
from authz_service.errors import AuthzError, Internal, Unavailable
from authz_service.gen.access import Access
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.kernel import guard, outranking, previews, promises
from authz_service.usecases.kernel.paging import DEFAULT_SAMPLE
from authz_service.usecases.kernel.previews import Preview
from authz_service.usecases.kernel.rights import access_of

_MAX_TARGET: Final = 200
"""Characters of a name in the audit that nobody has checked yet."""

_MOST_TARGETS: Final = 20
"""Tenants that the entry of a refused call about many of them names."""


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


def _its_tenant(command: Command) -> Collection[str]:
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
class ChangeCase(Generic[W, T]):
    """A change and what it takes, for each of the `tenants` that a request is about.

    `codec` keeps its value for repeated requests. `ahead` completes the command by what takes long,
    once the caller is let in and before the transaction begins.
    """

    rpc: str
    access: Access
    body: Callable[[Transaction, W], T]
    codec: TypeAdapter[T]
    tenants: Callable[[W], Collection[str]] = _its_tenant
    ahead: Callable[[View, W], W] | None = None

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


class Elsewhere(Protocol):
    """Runs the body of a long read in another process."""

    def __call__(self, case: ReadCase[W, T], view: View, command: W, /) -> T:
        """Return what it finds, at the view's revision or a later one. Raises: AuthzError."""


class Executor:
    """Runs use cases for callers."""

    def __init__(
        self,
        store: Store,
        index: Callable[[], Index],
        clock: Callable[[], Instant],
        require_fresh: Callable[[], None] | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """`require_fresh` refuses callers while what is known of them here is too old. Long reads
        are done `elsewhere`, if there is such a place.
        """
        self._elsewhere = elsewhere
        self._store = store
        self._require_fresh = require_fresh
        self._index = index
        self._clock = clock

    def authenticate(self, presented: Presented) -> str:
        """Name the caller. Raises: Unauthenticated, Unavailable."""
        if self._require_fresh is not None:
            self._require_fresh()
        now = self._clock()
        return guard.authenticate(in_force(self._index(), now), presented, now)

    def require(self, actor: Actor, right: str, tenants: Collection[str]) -> None:
        """Let the caller pass. Raises: PermissionDenied; the refusal is audited."""
        now = self._clock()
        index = in_force(self._index(), now)
        try:
            guard.require_for_all(index, actor, right, lambda: tenants, now)
        except AuthzError as refusal:
            self._note(Call(actor), _refused(right, SYSTEM, _targets(tenants), refusal))
            raise

    def change(self, call: Call, case: ChangeCase[W, T], command: W) -> Answer[T]:
        """Run a change.

        Raises:
            AuthzError: whatever refused it; nothing was changed, unless the reason is
                DATABASE_UNAVAILABLE, when a retry under the same request id will tell.
        """
        tenants = case.tenants(command)
        self.require(call.actor, case.right, tenants)
        try:
            if case.ahead is not None:
                command = case.ahead(self._view(), command)
            return self._change(call, case, command)
        except (Unavailable, Internal):
            raise
        except AuthzError as refusal:
            self._note_refusal(call, case.right, tenants, refusal, command)
            raise

    def refuse(self, call: Call, right: str, tenants: Collection[str], refusal: AuthzError) -> None:
        """Audit a call whose request could not even be read.

        Raises: PermissionDenied, if the caller lacks the right: then it hears of that alone.
        """
        self.require(call.actor, right, tenants)
        self._note_refusal(call, right, tenants, refusal)

    def read(self, actor: Actor, case: ReadCase[W, T], command: W) -> Answer[T]:
        """Run a read; it is answered, or refused, only once it stands in the audit."""
        tenants = _its_tenant(command)
        self.require(actor, case.right, tenants)
        # What has come due are facts by then, in the database too.
        self._store.apply_due()
        view = self._view()
        try:
            value = self._read(case, view, command)
        except (Unavailable, Internal):
            raise
        except AuthzError as refusal:
            self._note_refusal(Call(actor), case.right, tenants, refusal, command)
            raise
        chain = _chain(view.index, tenants)
        self._note(Call(actor), AuditRecord(case.right, chain, _targets(tenants, command)))
        return Answer(view.index.revision, value)

    def _view(self) -> View:
        return View(self._index(), self._store.database, self._clock())

    def _read(self, case: ReadCase[W, T], view: View, command: W) -> T:
        if case.long and self._elsewhere is not None:
            return self._elsewhere(case, view, command)
        return case.body(view, command)

    def _change(self, call: Call, case: ChangeCase[W, T], command: W) -> Answer[T]:
        first = case.access.takes_access
        with self._store.transaction(call, first=first) as tx:
            # Asked again at the head that is locked: a right revoked a moment ago is not used.
            tenants = partial(case.tenants, command)
            guard.require_for_all(tx.index, call.actor, case.right, tenants, tx.now)
            earlier = tx.first_answer()
            if earlier is not None:
                value = case.codec.validate_json(earlier.answer)
                return Answer(earlier.revision, value, repeated=True)
            value = case.body(tx, command)
            promises.end_unbacked(tx, hand_over=getattr(command, "hand_over", False))
            guard.check_escalation(tx.index, tx.changes, call.actor, tx.now)
            outranking.require_rank(tx.index, tx.changes, call.actor, tx.now)
            guard.require_not_managed(tx.index, tx.changes, call.actor)
            if not tx.changes and not tx.records:
                # Nothing was to be changed, but somebody with the right to has asked for it.
                chain = _chain(tx.index, tenants())
                tx.record(
                    AuditRecord(
                        case.right, chain, _targets(tenants(), command), None, None, call.reason
                    )
                )
            if call.request_id:
                tx.answer = case.codec.dump_json(value).decode()
            return Answer(tx.revision, value, preview=_preview(tx))

    def _note_refusal(
        self,
        call: Call,
        right: str,
        tenants: Collection[str],
        refusal: AuthzError,
        command: Command | None = None,
    ) -> None:
        if not call.validate_only:
            chain = _chain(self._index(), tenants)
            self._note(call, _refused(right, chain, _targets(tenants, command), refusal))

    def _note(self, call: Call, record: AuditRecord) -> None:
        """Audit what changed nothing."""
        with self._store.transaction(replace(call, request_id="", validate_only=False)) as tx:
            tx.record(record)


def _preview(tx: Transaction) -> Preview | None:
    if not tx.call.validate_only:
        return None
    return previews.preview(tx.index, tx.changes, tx.now, DEFAULT_SAMPLE)


def _refused(right: str, chain: str, targets: tuple[str, ...], refusal: AuthzError) -> AuditRecord:
    details = {"field": refusal.field[:_MAX_TARGET], **refusal.details}
    return AuditRecord(right, chain, targets, details=details, outcome=refusal.reason.value)


def _chain(index: Index, tenants: Collection[str]) -> str:
    """Name the chain for what changed nothing: the tenant's, if it is about one that exists."""
    one = next(iter(tenants)) if len(tenants) == 1 else ""
    return one if index.tenant(one) is not None else SYSTEM


def _targets(tenants: Collection[str], command: Command | None = None) -> tuple[str, ...]:
    """Name what a request is about: its tenants, and the object by the field that says which."""
    names = [f"tenant:{tenant[:_MAX_TARGET]}" for tenant in tenants if tenant]
    if len(names) > _MOST_TARGETS:
        names = [*names[:_MOST_TARGETS], f"and {len(names) - _MOST_TARGETS} more"]
    objects = (getattr(command, field, "") for field in ("id", "subject"))
    return (*names, *(str(item)[:_MAX_TARGET] for item in objects if item))
