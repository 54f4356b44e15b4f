"""What the demo tells, chapter by chapter."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from authz_service.cli.demo import access_chapters, customer_chapters, opening_chapters
from authz_service.cli.demo.contract import Contracts
from authz_service.cli.demo.mail import Mailbox
from authz_service.cli.demo.stage import Stage
from authz_service.cli.demo.storyteller import Storyteller
from authz_service.cli.demo.throwaway_server import Trial
from authz_service.client.failure import Failure


def tell(console: Console, server: Trial, box: Mailbox, matrix: Path) -> Storyteller:
    """Tell the whole story; the teller knows what did not go as it must."""
    stage = Stage(console, server)
    try:
        # First, on the shipped policy: the one that is loaded then has tiers of the same names.
        Contracts(stage.teller, server, box).tell()
        opening_chapters.load(stage, matrix)
        for chapter in (
            opening_chapters.customers,
            access_chapters.questions,
            access_chapters.roles,
            customer_chapters.plans,
            customer_chapters.exceptions,
            access_chapters.reasons,
            customer_chapters.limits,
            customer_chapters.money,
        ):
            chapter(stage)
    except Failure as failure:
        stage.teller.show(Text(f"the rest depends on it. {failure.advice}", "red"))
    stage.teller.end()
    return stage.teller
