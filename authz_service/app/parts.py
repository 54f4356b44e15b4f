"""The parts of one process, put together from its settings; nothing listens yet."""

from collections import Counter
from collections.abc import Callable

from authz_service.app import door
from authz_service.config import Settings
from authz_service.jobs.composing import Door, Jobs
from authz_service.jobs.fetching import SourceFetcher
from authz_service.replication.following import Following
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.rpc.credentials import Credentials
from authz_service.serving.authentication import Authentication
from authz_service.serving.call_stats import Observation
from authz_service.serving.issuers import tokens_of
from authz_service.serving.trace_setup import tracing_to
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases.billing.event_ingest import EventDoor
from authz_service.usecases.billing.policy_reload import BillingPolicyInUse
from authz_service.usecases.callers.key_use import KeyUse
from authz_service.usecases.changesets.replanning import replan
from authz_service.usecases.decisions.explain import Explainer
from authz_service.usecases.decisions.shadow import Shadow
from authz_service.web.webhook_secrets import EventSecrets


class Parts:
    """Everything that the ports are built from and that runs beside them."""

    def __init__(self, settings: Settings) -> None:
        """Open the database; start nothing.

        Raises:
            AuthzError: the policy files, an issuer or a mail setting is wrong.
        """
        self.settings = settings
        self.database = Database(settings.database_url, busy_seconds=settings.busy_seconds)
        self.time = Time(door.now, door.elapsed)
        self.replica = Replica(self.database, self.time)
        outside = Door(self.time.now, door.new_id, door.new_secret, door.chance)
        self.jobs = Jobs(settings, self.database.url, outside)
        self.store = Store(
            self.database,
            self.replica,
            self.time.now,
            door.new_id,
            self.jobs.outbox,
            replan,
            self.time.require_not_ahead,
        )
        self.billing_policy = BillingPolicyInUse(settings.policies_dir)
        self.events: Counter[str] = Counter()
        self.event_door = EventDoor(self.store, self.billing_policy, self.events)
        self.event_secrets = EventSecrets(
            settings.event_secrets, settings.event_secrets_file, self.billing_policy()
        )
        self.fetcher = SourceFetcher(self.event_secrets.of)
        self.worker = self.jobs.worker(
            self.store, lambda: self.replica.index, self.event_door, self.fetcher
        )
        self.model = (settings.policies_dir / "model.conf").read_text(encoding="utf-8")
        self.explainer = Explainer(self.database, self.model, self.time.now)
        self.shadow = Shadow(self.explainer, settings.shadow_per_second)
        self.key_use = KeyUse(self.database, lambda: self.replica.index, self.time.now)
        self.tracing = tracing_to(settings.otlp_endpoint, door.now)
        self.tokens = tokens_of(settings, self.time.now)
        self.credentials = Credentials(
            Authentication(self.tokens), certificates=settings.tls_client_ca is not None
        )

    def observation(self, port: str) -> Observation:
        """Make what counts the calls of one port."""
        verbose = self.settings.log_level.lower() == "debug"
        trace = self.tracing.end if self.tracing is not None else None
        return Observation(port, verbose=verbose, trace=trace, note=self.key_use.note)

    def following(
        self, on_health: Callable[[bool], None], on_age: Callable[[float], None]
    ) -> Following:
        """Make what keeps the replica up to date; it reports whether the database answers, and how
        long ago that was.
        """
        return Following(
            self.database,
            self.replica,
            self.settings.poll_seconds,
            on_health,
            self.store.apply_due,
            self.store.begin_history,
            on_age,
        )
