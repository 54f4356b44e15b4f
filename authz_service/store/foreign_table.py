"""The table `casbin_rule` of another program's database, as Casbin's own adapters write it."""

from collections.abc import Iterator

import sqlalchemy

from authz_service.errors import ErrorReason, InvalidArgument


def rules_of(url: str) -> Iterator[tuple[int, str, list[str | None]]]:
    """Read each rule: its id, its kind and its values.

    Raises:
        InvalidArgument: INVALID_FIELD: the table cannot be read.
    """
    try:
        engine = sqlalchemy.create_engine(url)
        with engine.connect() as connection:
            query = sqlalchemy.text("SELECT * FROM casbin_rule ORDER BY id")
            rows = list(connection.execute(query).mappings())
    except sqlalchemy.exc.SQLAlchemyError as error:
        driver_message = str(getattr(error, "orig", None) or error).partition("\n")[0]
        message = f"casbin_rule was not read: {driver_message}"
        raise InvalidArgument(ErrorReason.INVALID_FIELD, message) from None
    for row in rows:
        yield row["id"], row["ptype"], [row[f"v{i}"] for i in range(6)]
