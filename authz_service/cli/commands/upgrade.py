"""What is left to do by hand after an upgrade."""

from collections.abc import Mapping
from contextlib import closing

from authz_service.config import Settings, shipped_policies
from authz_service.policyfiles.policy_files import read_folder
from authz_service.store.database import Database
from authz_service.usecases.bootstrap import upgrading


def rights_to_give(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Name, by shipped role, the new rights that nobody has given to it yet."""
    with closing(Database(settings.database_url, busy_seconds=settings.busy_seconds)) as database:
        return rights_left(database)


def rights_left(database: Database) -> dict[str, tuple[str, ...]]:
    with database.read() as connection:
        return upgrading.rights_to_give(connection, read_folder(shipped_policies()))


def commands(lacking: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Write what gives them: one command a role."""
    return [
        " ".join([f"authz roles update {role}", *(f"--add {right}" for right in rights)])
        for role, rights in lacking.items()
    ]
