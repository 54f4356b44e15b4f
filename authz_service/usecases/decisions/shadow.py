"""Shadow checks: Casbin decides a small sample of live decisions again, off the hot path."""

import queue
import threading
from typing import Final

import structlog

from authz_service.domain.decision import Question
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import AuthzError
from authz_service.usecases.decisions.explain import Explainer

log = structlog.get_logger()

_MICROSECONDS: Final = 1_000_000


class Shadow:
    """Takes at most `per_second` decisions a second, and none while one is being verified.

    `verified` counts those that Casbin has decided; `Explainer` counts its disagreements.
    """

    def __init__(self, explainer: Explainer, per_second: float) -> None:
        self._explainer = explainer
        self._gap = round(_MICROSECONDS / per_second) if per_second else 0
        self._next: Instant = 0
        self.verified = 0
        self._waiting: queue.Queue[tuple[Index, Question, Instant, bool] | None] = queue.Queue(1)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def offer(self, index: Index, question: Question, at: Instant, allowed: bool) -> None:
        """Take a decision for verification, or let it pass. Never waits."""
        if at < self._next or not self._gap:
            return
        self._next = at + self._gap
        try:
            self._waiting.put_nowait((index, question, at, allowed))
        except queue.Full:
            return

    def _run(self) -> None:
        while (used := self._waiting.get()) is not None:
            index, question, at, allowed = used
            try:
                self._explainer.verify(index, question, at, allowed=allowed)
                self.verified += 1
            except AuthzError as error:
                log.debug("shadow check skipped", reason=error.reason.value)
            except Exception:  # this thread must outlive a fault, or nothing is verified again
                log.exception("shadow check failed")
