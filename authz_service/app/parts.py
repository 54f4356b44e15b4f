"""The parts of one process, put together from its settings; nothing listens yet."""

from collections.abc import Callable
from dataclasses import replace

from authz_service.app import door
from authz_service.config import Settings
from authz_service.replication.following import Following
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.rpc.credentials import Credentials
from authz_service.rpc.gate import Gate
from authz_service.serving.authentication import Authentication
from authz_service.serving.call_stats import Observation
from authz_service.serving.figures import Figures
from authz_service.serving.issuers import tokens_of
from authz_service.serving.token_line import TokenLine
from authz_service.serving.trace_setup import tracing_to
from authz_service.store.database import Database
from authz_service.usecases.callers.key_use import KeyUse
from authz_service.usecases.decisions.explain import Explainer
from authz_service.usecases.decisions.shadow import Shadow


class CheckParts:
    """What every process of a `serve` has. A check worker has nothing else."""

    def __init__(self, settings: Settings, *, family: str, shared: bool = False) -> None:
        """Open the database; start nothing.

        `family` names the processes of one `serve`, that share ports if `shared` says so.

        Raises:
            AuthzError: an issuer is wrong.
        """
        self.settings = settings
        self.shared = shared
        self.database = Database(
            settings.database_url, busy_seconds=settings.busy_seconds, family=family
        )
        self.time = Time(door.now, door.elapsed)
        self.replica = Replica(self.database, self.time)
        self.model = (settings.policies_dir / "model.conf").read_text(encoding="utf-8")
        self.explainer = Explainer(self.database, self.model, self.time.now)
        self.shadow = Shadow(self.explainer, settings.shadow_per_second)
        self.key_use = KeyUse(self.database, lambda: self.replica.index, self.time.now)
        self.tracing = tracing_to(settings.otlp_endpoint, door.now)
        tokens = tokens_of(settings, self.time.now)
        self.tokens = TokenLine(tokens)
        self.credentials = Credentials(
            Authentication(tokens), certificates=settings.tls_client_ca is not None
        )
        self.gate = Gate(self.credentials, self.tokens, lambda: self.replica.index, self.time.now)

    def observation(self, port: str) -> Observation:
        """Make what counts the calls of one port."""
        verbose = self.settings.log_level.lower() == "debug"
        trace = self.tracing.end if self.tracing is not None else None
        return Observation(port, verbose=verbose, trace=trace, note=self.key_use.note)

    def following(
        self,
        on_health: Callable[[bool], None],
        on_age: Callable[[float], None] | None = None,
        told: Callable[[], bool] = lambda: True,
    ) -> Following:
        """Make what keeps the replica up to date; it reports whether the database answers, and how
        long ago that was. `told` says whether changes of the family arrive by themselves.
        """
        poll = self.settings.poll_seconds
        return Following(self.database, self.replica, poll, on_health, on_age=on_age, told=told)

    def standing(self, figures: Figures, following: Following) -> Figures:
        """Add to what was counted how this process stands."""
        return replace(
            figures,
            revision=self.replica.index.revision,
            age=self.replica.age,
            clock_offset=self.time.offset / 1_000_000,
            database_up=following.healthy,
            connections=self.database.connections_in_use,
        )

    def start(self) -> None:
        self.tokens.start()
        self.key_use.start()

    def stop(self) -> None:
        """Stop what runs; nothing is closed yet that others may still use."""
        self.key_use.stop()
        self.tokens.stop()

    def close(self) -> None:
        """Close what `__init__` opened."""
        if self.tracing is not None:
            self.tracing.close()
        self.database.close()
