"""The parts of a process that changes things."""

from collections import Counter
from collections.abc import Callable

from authz_service.app import door
from authz_service.app.parts import CheckParts
from authz_service.app.sealing import seals_of
from authz_service.config import Settings
from authz_service.jobs.composing import Door, Jobs
from authz_service.jobs.fetching import SourceFetcher
from authz_service.replication.family import Family
from authz_service.replication.following import Following
from authz_service.replication.hub import Hub
from authz_service.store.unit_of_work import Store
from authz_service.usecases.billing.event_ingest import EventDoor
from authz_service.usecases.changesets.replanning import replan
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.web.webhook_secrets import EventSecrets


class Parts(CheckParts):
    """What administration has besides: what changes anything, and the jobs that follow a change."""

    def __init__(
        self, settings: Settings, *, family: str, hub: Callable[["Parts"], Hub] | None = None
    ) -> None:
        """Open the database; start nothing. `hub` makes what tells check workers of changes.

        Raises:
            AuthzError: the policy files, an issuer or a mail setting is wrong.
        """
        super().__init__(settings, family=family, shared=hub is not None)
        outside = Door(self.time.now, door.new_id, door.new_secret, door.chance)
        self.jobs = Jobs(settings, self.database.url, outside)
        self.hub = hub(self) if hub is not None else None
        follower = Family(self.replica, self.hub) if self.hub is not None else self.replica
        self.store = Store(
            self.database,
            follower,
            self.time.now,
            door.new_id,
            self.jobs.outbox,
            replan,
            self.time.require_not_ahead,
            seals_of(settings),
        )
        self.events: Counter[str] = Counter()
        self.event_door = EventDoor(self.store, self.events)
        self.event_secrets = EventSecrets(
            settings.event_secrets,
            settings.event_secrets_file,
            lambda: in_force(self.replica.index),
        )
        self.fetcher = SourceFetcher(self.event_secrets.of)
        self.worker = self.jobs.worker(
            self.store, lambda: self.replica.index, self.event_door, self.fetcher
        )

    def following(
        self,
        on_health: Callable[[bool], None],
        on_age: Callable[[float], None] | None = None,
        told: Callable[[], bool] = lambda: True,
    ) -> Following:
        """Make what keeps the replica up to date, and the database."""
        return Following(
            self.database,
            self.replica,
            self.settings.poll_seconds,
            on_health,
            self.store.apply_due,
            self.store.heads.begin_history,
            on_age,
            told,
        )
