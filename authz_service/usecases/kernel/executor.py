"""Running use cases for callers: authorised, audited, once.

A change is one transaction: the right is asked, an earlier answer to the same request id is given
again, else the body runs and everything it did commits together. Refusals, reads and changes that
found nothing to change are audited too. What can be done aside from the head is done before, in a
transaction that no other change waits for; it tells of itself where it is kept.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.identity import Presented
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.engine.scheduled import in_force
from authz_service.errors import AuthzError, Internal, Unavailable
from authz_service.store import histories
from authz_service.store.answers import FirstAnswer
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.kernel import guard, outranking, previews, promises
from authz_service.usecases.kernel.execution import (
    Answer,
    Begun,
    ChangeCase,
    Command,
    ReadCase,
    View,
    its_tenant,
)
from authz_service.usecases.kernel.paging import DEFAULT_SAMPLE
from authz_service.usecases.kernel.previews import Preview

_MAX_TARGET: Final = 200
"""Characters of a name in the audit that nobody has checked yet."""

_MOST_TARGETS: Final = 20
"""Tenants that the entry of a refused call about many of them names."""

_PATIENCE: Final = 2.0
"""Seconds that a caller waits for the head, once what can be done aside from it is done."""

log = structlog.get_logger()

W = TypeVar("W", bound=Command)
T = TypeVar("T")


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
            begun = self._begun(call, case, command)
            if isinstance(begun, Answer):
                return begun
            if begun is None or begun.rest is None:
                return self._change(call, case, command)
            return self._rest(call, case, begun.value, begun.rest)
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
        tenants = its_tenant(command)
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

    def _begun(
        self, call: Call, case: ChangeCase[W, T], command: W
    ) -> Answer[T] | Begun[W, T] | None:
        """Do what can be done aside from the head; None if all is to be done there.

        So it is for a dry run, which keeps nothing, and where this process has not seen the newest
        revision yet: the caller's right may have been revoked by it.
        """
        if case.aside is None or call.validate_only:
            return None
        with self._store.aside(call) as tx:
            if histories.seen(tx.connection, tx.index.revision)[0].revision != tx.index.revision:
                return None
            tenants = partial(case.tenants, command)
            guard.require_for_all(tx.index, call.actor, case.right, tenants, tx.now)
            earlier = tx.first_answer()
            if earlier is not None:
                return _repeated(case, earlier)
            begun = case.aside(tx, command)
            if begun is None or begun.rest is not None:
                return begun
            earlier = tx.first_answer()
            if earlier is not None:  # the same call was answered a moment ago
                tx.connection.rollback()
                return _repeated(case, earlier)
            if call.request_id:
                tx.answer = case.codec.dump_json(begun.value).decode()
            return Answer(tx.revision, begun.value)

    def _rest(self, call: Call, case: ChangeCase[W, T], value: T, rest: W) -> Answer[T]:
        """Do the rest at the head, or say how far it came if others are ahead for too long."""
        try:
            return self._change(call, case, rest, _PATIENCE)
        except Unavailable as error:
            log.warning("the rest of a call is done later", rpc=case.rpc, why=str(error))
            return Answer(self._index().revision, value)

    def _change(
        self, call: Call, case: ChangeCase[W, T], command: W, patience: float | None = None
    ) -> Answer[T]:
        first = case.access.takes_access
        with self._store.transaction(call, patience=patience, first=first) as tx:
            # Asked again at the head that is locked: a right revoked a moment ago is not used.
            tenants = partial(case.tenants, command)
            guard.require_for_all(tx.index, call.actor, case.right, tenants, tx.now)
            earlier = tx.first_answer()
            if earlier is not None:
                return _repeated(case, earlier)
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


def _repeated(case: ChangeCase[W, T], earlier: FirstAnswer) -> Answer[T]:
    value = case.codec.validate_json(earlier.answer)
    return Answer(earlier.revision, value, repeated=True)


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
