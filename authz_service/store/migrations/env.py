"""Alembic's entry point: `store/migrate.py` hands over the connection and owns the transaction."""

from alembic import context

from authz_service.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
