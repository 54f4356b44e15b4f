"""Long reads, previews and reports, in a process of their own.

Administration lets the caller in and audits the call; only the body of the use case runs here, on
an index of its own. Both ends belong to one `serve` and reach each other where nobody else can, so
what they exchange is pickled.
"""

import threading
from importlib import import_module
from multiprocessing.connection import Client, Connection
from typing import Any, Final, TypeVar

import structlog

from authz_service.app.kin import Kin
from authz_service.app.parts import CheckParts
from authz_service.errors import AuthzError, ErrorReason, Internal, Unavailable
from authz_service.usecases.kernel.execution import Command, ReadCase, View

log = structlog.get_logger()

_AT_ONCE: Final = 2
"""Long reads that are worked on at once; others wait."""

_PATIENCE: Final = 300.0
"""Seconds that a read may take before nobody waits for it any more."""

W = TypeVar("W", bound=Command)
T = TypeVar("T")


class LongReads:
    """The process that does them."""

    def __init__(self, kin: Kin) -> None:
        """Take over the index. Raises: AuthzError."""
        self._listener = kin.long_reads
        self._parts = parts = CheckParts(kin.settings, family=kin.family)
        parts.replica.load(kin.snapshot)
        self._following = parts.following(lambda _: None)

    def start(self) -> None:
        self._following.start()
        for number in range(_AT_ONCE):
            threading.Thread(target=self._serve, name=f"long-{number}", daemon=True).start()

    def stop(self) -> None:
        self._following.stop()
        self._parts.close()

    def beat(self) -> None:
        """Do nothing: it counts nothing."""

    def _serve(self) -> None:
        while True:
            try:
                with self._listener.accept() as caller:
                    caller.send(self._answer(*caller.recv()))
            except (OSError, EOFError) as error:
                log.info("nobody waits for a long read", error=repr(error))
            except Exception:
                log.exception("long read not answered")

    def _answer(self, place: tuple[str, str], command: Any, revision: int, now: int) -> Any:
        """Run the body; return what it finds, or what it raises."""
        try:
            replica = self._parts.replica
            if replica.index.revision < revision:
                replica.catch_up()
            case: ReadCase[Any, Any] = getattr(import_module(place[0]), place[1])
            return case.body(View(replica.index, self._parts.database, now), command), None
        except AuthzError as refusal:
            return None, refusal
        except Exception:
            log.exception("long read failed")
            return None, Internal(ErrorReason.INTERNAL, "an unexpected error; nothing was changed")


class Elsewhere:
    """The way of administration to that process."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, case: ReadCase[W, T], view: View, command: W, /) -> T:
        """Have the body of a read run there. Raises: AuthzError, CALL_LOST among them."""
        place = case.body.__module__, case.body.__name__
        try:
            with Client(self._path, "AF_UNIX") as process:
                process.send((place, command, view.index.revision, view.now))
                value, refusal = _received(process)
        except (OSError, EOFError) as error:
            raise Unavailable(
                ErrorReason.CALL_LOST,
                "the process that worked on this call has ended; nothing was changed, try again",
            ) from error
        if refusal is not None:
            raise refusal
        found: T = value
        return found


def _received(process: "Connection[Any, Any]") -> Any:
    if not process.poll(_PATIENCE):
        raise TimeoutError(f"no answer within {_PATIENCE:g} s")
    return process.recv()
