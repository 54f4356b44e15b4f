"""The doors of one process that decide."""

from collections.abc import Callable

import structlog

from authz_service.app import door
from authz_service.app.listening import limits, paged, port_settings, serves
from authz_service.app.parts import CheckParts
from authz_service.config import Settings
from authz_service.gen.authz.v1 import authorization_pb2
from authz_service.replication.following import Following
from authz_service.rpc.server import Port
from authz_service.rpc.services.authorization import AuthorizationServicer
from authz_service.serving.figures import Figures, of_port
from authz_service.usecases.decisions.decider import Decider
from authz_service.usecases.decisions.freshness import Bounds

log = structlog.get_logger()


def check_port(parts: CheckParts) -> Port:
    """Bind the port of AuthorizationService. Raises: AuthzError, OSError."""
    settings, observed = parts.settings, parts.observation("checks")
    decider = Decider(
        parts.replica,
        parts.explainer,
        parts.time.now,
        parts.shadow.offer,
        observed,
        Bounds(
            settings.max_stale_seconds,
            settings.stale_checks == "answer",
            settings.max_deadline,
            max(1, settings.check_threads // 2),
        ),
    )
    bounds = limits(
        settings,
        settings.check_threads,
        settings.rate_checks_per_second,
        settings.max_standing_seconds,
    )
    return Port(
        port_settings(parts, settings.check_port, bounds),
        paged(parts, serves(authorization_pb2, AuthorizationServicer(decider, parts.credentials))),
        door.new_id,
        observed,
        door.now,
        parts.gate,
    )


def check_figures(parts: CheckParts, port: Port, following: Following) -> Figures:
    """Read what the checks of this process have come to."""
    counts = {
        "shadow": {
            "verified": parts.shadow.verified,
            "disagreements": parts.explainer.disagreements,
        }
    }
    return parts.standing(of_port(port.observed, port.waiting, counts), following)


class Freshness:
    """Tells health checks once what is known is so old that checks are refused."""

    def __init__(self, settings: Settings, port: Callable[[], Port]) -> None:
        self._settings = settings
        self._port = port
        self._too_old = False

    def on_age(self, age: float) -> None:
        """Hear how old what is known is by now."""
        settings = self._settings
        too_old = age > settings.max_stale_seconds and settings.stale_checks == "refuse"
        if too_old != self._too_old:
            self._too_old = too_old
            self._port().set_serving(serving=not too_old)
            if too_old:
                log.critical("checks are refused: the database was last read too long ago")
            else:
                log.info("checks are answered again")
