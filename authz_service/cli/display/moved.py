"""What a deletion moved to the replacement."""

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import word
from authz_service.gen.authz.v1 import moved_pb2 as pb


def moved_parts(moved: Iterable[pb.Moved]) -> Iterator[RenderableType | Text]:
    """Lay out what was moved; nothing if there was nothing."""
    rows = [
        (word(pb.MovedKind, item.kind).replace("_", " "), f"{item.count:,}", out.listed(item.names))
        for item in moved
    ]
    if rows:
        yield Text("moved to the replacement", "bold")
        yield tables.table(("KIND", "COUNT", "NAMES"), rows)
