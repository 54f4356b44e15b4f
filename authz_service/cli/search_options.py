"""The options by which changes and audit entries are searched."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from authz_service.cli import completion
from authz_service.cli.display import instants


def _since(text: str) -> datetime:
    """Read an instant; a length of time counts back from now."""
    now = datetime.now(UTC)
    try:
        return instants.since(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


OfTenant = Annotated[
    str,
    typer.Option(
        "--tenant",
        metavar="TENANT",
        help="Only this account's, or system's; all if not given.",
        autocompletion=completion.tenants,
    ),
]
Actor = Annotated[
    str, typer.Option("--actor", metavar="SUBJECT", help="Only what this caller did.")
]
OnBehalfOf = Annotated[
    str,
    typer.Option("--on-behalf-of", metavar="USER", help="Only what was done for this user."),
]
ActionPrefix = Annotated[
    str,
    typer.Option(
        "--action",
        metavar="PREFIX",
        help="Only actions that begin so: role.granted, role., role_grants:.",
    ),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        parser=_since,
        help=f"Only this late or later: 7d ago, or {instants.FORMS}.",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option("--until", metavar="WHEN", parser=_since, help="Only before this time."),
]
OldestFirst = Annotated[
    bool, typer.Option("--oldest-first", help="The oldest first, not the newest.")
]
