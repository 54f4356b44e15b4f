"""How a use case is run: authorised, audited, once.

A change is one transaction: the right is asked, an earlier answer to the same request id is given
again, else the body runs and everything it did commits together. Refusals and reads are audited
in a transaction of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar, get_type_hints

from pydantic import TypeAdapter

from authz_service.domain.audit import Actor, Event
from authz_service.domain.call import Call
from authz_service.domain.change import Revision
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import AuthzError, Internal, Unavailable
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases import guard

_MAX_TARGET: Final = 200
"""Characters of a name in the audit that nobody has checked yet."""


class Wanted(Protocol):
    """The content of a request: a frozen command that names the tenant it is about."""

    @property
    def tenant(self) -> str:
        """The tenant, or "" if the request concerns no single one."""


W = TypeVar("W", bound=Wanted)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a use case says, and at which revision. `repeated` marks an earlier call's answer."""

    revision: Revision
    value: T
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What a read looks at: the facts of one revision. The database has what no index holds."""

    index: Index
    database: Database
    now: Instant


@dataclass(frozen=True, slots=True)
class ChangeCase(Generic[W, T]):
    """A change and the right it takes. `codec` keeps its value for repeated requests."""

    right: str
    body: Callable[[Transaction, W], T]
    codec: TypeAdapter[T]


@dataclass(frozen=True, slots=True)
class ReadCase(Generic[W, T]):
    """A read and the right it takes."""

    right: str
    body: Callable[[View, W], T]


def change(right: str) -> Callable[[Callable[[Transaction, W], T]], ChangeCase[W, T]]:
    """Make a change out of a function that does it within a transaction."""

    def make(body: Callable[[Transaction, W], T]) -> ChangeCase[W, T]:
        return ChangeCase(right, body, TypeAdapter(get_type_hints(body)["return"]))

    return make


def read(right: str) -> Callable[[Callable[[View, W], T]], ReadCase[W, T]]:
    """Make a read out of a function that looks at a view."""

    def make(body: Callable[[View, W], T]) -> ReadCase[W, T]:
        return ReadCase(right, body)

    return make


class Executor:
    """Runs use cases for callers."""

    def __init__(
        self, store: Store, index: Callable[[], Index], clock: Callable[[], Instant]
    ) -> None:
        self._store = store
        self._index = index
        self._clock = clock

    def authenticate(self, credential: str) -> str:
        """Name the caller. Raises: Unauthenticated."""
        return guard.authenticate(self._index(), credential, self._clock())

    def require(self, actor: Actor, right: str, tenant: str) -> None:
        """Let the caller pass. Raises: PermissionDenied; the refusal is audited."""
        try:
            guard.require(self._index(), actor.subject, right, tenant, self._clock())
        except AuthzError as refusal:
            self._note(Call(actor), _refused(right, tenant, refusal, SYSTEM))
            raise

    def change(self, call: Call, case: ChangeCase[W, T], wanted: W) -> Answer[T]:
        """Run a change.

        Raises:
            AuthzError: whatever refused it; nothing was changed, unless the reason is
                DATABASE_UNAVAILABLE, when a retry under the same request id will tell.
        """
        self.require(call.actor, case.right, wanted.tenant)
        try:
            return self._change(call, case, wanted)
        except (Unavailable, Internal):
            raise
        except AuthzError as refusal:
            self._note_refusal(call, case.right, wanted.tenant, refusal)
            raise

    def refuse(self, call: Call, right: str, tenant: str, refusal: AuthzError) -> None:
        """Audit a change whose request could not even be read.

        Raises: PermissionDenied, if the caller lacks the right: then it hears of that alone.
        """
        self.require(call.actor, right, tenant)
        self._note_refusal(call, right, tenant, refusal)

    def read(self, actor: Actor, case: ReadCase[W, T], wanted: W) -> Answer[T]:
        """Run a read; it is answered only once it stands in the audit."""
        self.require(actor, case.right, wanted.tenant)
        view = View(self._index(), self._store.database, self._clock())
        value = case.body(view, wanted)
        known = view.index.tenant(wanted.tenant) is not None
        event = Event(case.right, wanted.tenant if known else SYSTEM, _targets(wanted.tenant))
        self._note(Call(actor), event)
        return Answer(view.index.revision, value)

    def _change(self, call: Call, case: ChangeCase[W, T], wanted: W) -> Answer[T]:
        with self._store.transaction(call) as tx:
            # Asked again at the head that is locked: a right revoked a moment ago is not used.
            guard.require(tx.index, call.actor.subject, case.right, wanted.tenant, tx.now)
            earlier = tx.first_answer()
            if earlier is not None:
                value = case.codec.validate_json(earlier.answer)
                return Answer(earlier.revision, value, repeated=True)
            value = case.body(tx, wanted)
            if call.request_id:
                tx.answer = case.codec.dump_json(value).decode()
            return Answer(tx.revision, value)

    def _note_refusal(self, call: Call, right: str, tenant: str, refusal: AuthzError) -> None:
        if not call.validate_only:
            chain = tenant if self._index().tenant(tenant) is not None else SYSTEM
            self._note(call, _refused(right, tenant, refusal, chain))

    def _note(self, call: Call, event: Event) -> None:
        """Audit what changed nothing."""
        with self._store.transaction(replace(call, request_id="", validate_only=False)) as tx:
            tx.record(event)


def _refused(right: str, tenant: str, refusal: AuthzError, chain: str) -> Event:
    after: dict[str, Any] = {"field": refusal.field[:_MAX_TARGET], "details": refusal.details}
    return Event(right, chain, _targets(tenant), after=after, outcome=refusal.reason.value)


def _targets(tenant: str) -> tuple[str, ...]:
    return (f"tenant:{tenant[:_MAX_TARGET]}",) if tenant else ()
