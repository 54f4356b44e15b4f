"""`authz add-ons`: what customers buy on top of a tier."""

from typing import Annotated, Final

import typer

from authz_service.cli import plans
from authz_service.gen.authz.v1.add_on_pb2 import AddOn

app = typer.Typer(help="What customers buy on top of a tier.")

AddOnName = Annotated[
    str, typer.Argument(metavar="ADD-ON", help="As authz add-ons list shows them.")
]

ADD_ONS: Final = plans.plans(AddOn, "add-on", lambda session: session.add_ons, AddOnName)
plans.add_commands(app, ADD_ONS)
