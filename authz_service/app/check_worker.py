"""A process that decides, and does nothing else."""

from itertools import count
from typing import Final

from authz_service.app.checks import Freshness, check_figures, check_port
from authz_service.app.kin import Kin
from authz_service.app.parts import CheckParts
from authz_service.replication.link import Link
from authz_service.serving.figures import Figures, Tally

_REPORT: Final = 4
"""Beats from one report to the next."""

_TO_JOIN: Final = 1.0
"""Seconds that a worker waits at most for the administration before it answers."""


class CheckWorker:
    """One of the processes that share the check port."""

    def __init__(self, kin: Kin, number: int, *, others_serve: bool) -> None:
        """Take over the index; bind the port. Raises: AuthzError, OSError."""
        self._settings = kin.settings
        self._others_serve = others_serve
        self._parts = parts = CheckParts(kin.settings, family=kin.family, shared=True)
        parts.replica.load(kin.snapshot)
        freshness = Freshness(kin.settings, lambda: self._port)
        self._following = parts.following(lambda _: None, freshness.on_age, lambda: self._link.up)
        self._port = check_port(parts)
        self._tally = Tally(kin.board, number, self._figures)
        self._link = Link(kin.path, number, parts.replica, self)
        self._beats = count()

    def start(self) -> None:
        self._parts.start()
        self._parts.shadow.start()
        self._following.start()
        # Where nobody serves yet, nobody has changed anything.
        self._link.start(_TO_JOIN if self._others_serve else 0.0)
        self._port.start()
        self._port.set_serving(serving=True)

    def stop(self) -> None:
        self._port.stop(self._settings.drain_seconds)
        self._parts.shadow.stop()
        self._link.report()
        self._link.stop()
        self._following.stop()
        self._parts.stop()
        self._parts.close()

    def beat(self) -> None:
        """Report, so that little is lost if this process dies, and callers keep to one rate."""
        self._link.tell_spent(self._port.admission.spent())
        if next(self._beats) % _REPORT == 0:
            self._link.report()

    def save(self) -> None:
        """Write the figures down where administration reads them."""
        self._tally.save()

    def uses(self) -> dict[str, int]:
        """Return when callers were let in since the last time."""
        return self._parts.key_use.fresh()

    def spent_elsewhere(self, spent: dict[str, int]) -> None:
        """Take into account what callers have spent at other workers."""
        self._port.admission.spent_elsewhere(spent)

    def _figures(self) -> Figures:
        return check_figures(self._parts, self._port, self._following)
