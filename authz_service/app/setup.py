"""What happens before a process serves: migration, first policies, first key."""

from contextlib import closing

from authz_service.app import door, first_key, index_keeping, sealing
from authz_service.app.admin_parts import Parts
from authz_service.config import Settings
from authz_service.jobs.queue import DbosQueue
from authz_service.policyfiles import billing_policy_file, policy_files
from authz_service.replication.index_file import Snapshot
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.store import migrate as migrations
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases.bootstrap import declaring, seeding
from authz_service.usecases.changesets.replanning import replan


def prepare(parts: Parts) -> None:
    """Migrate the embedded database, refuse another that is behind; seed an empty one.

    Raises:
        AuthzError: the database does not answer or is behind, or the policy files are wrong.
    """
    if parts.database.dialect == "sqlite":
        migrations.migrate(parts.database)
    else:
        migrations.require_migrated(parts.database)
    parts.replica.load(index_keeping.kept(index_keeping.path_of(parts.settings)))
    parts.store.heads.check_history()
    parts.jobs.prepare(parts.replica.index)
    if not parts.replica.index.revision:
        folder = parts.settings.policies_dir
        policy = policy_files.read_folder(folder)
        billing = billing_policy_file.read_data(folder, policy)
        seeding.seed(parts.store, policy, billing)
    elif parts.database.dialect == "sqlite":
        declaring.declare(parts.store, "start of a release")
    else:
        declaring.require_declared(parts.replica.index)
    parts.event_secrets.load()  # once it is known how their sources sign
    if not parts.replica.index.keys:
        first_key.provide(parts.store, parts.settings)
    sealing.look(parts.store)


def prepared(settings: Settings) -> Snapshot:
    """Do what must be done before processes are forked, and return what they start from.

    Raises:
        AuthzError: as `prepare`.
    """
    with closing(Parts(settings, family=door.new_id())) as parts:
        prepare(parts)
        return parts.replica.snapshot()


def migrate(settings: Settings) -> tuple[list[str], tuple[str, ...]]:
    """Bring the database to this version's schema, and to its rights and roles; name both."""
    with closing(Database(settings.database_url, busy_seconds=settings.busy_seconds)) as database:
        applied = migrations.migrate(database)
        if database.dialect == "postgresql":
            DbosQueue(database.url).migrate()
        replica = Replica(database, Time(door.now, door.elapsed))
        replica.load()
        if not replica.index.revision:
            return applied, ()
        store = Store(database, replica, door.now, door.new_id, replan=replan)
        return applied, declaring.declare(store, "migration to a release")
