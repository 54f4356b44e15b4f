"""The rules for what includes or extends what: no circle, and no chain that is too long."""

from collections.abc import Iterable, Iterator, Mapping

from authz_service.domain.catalog import checked_inclusion
from authz_service.domain.identifiers import MAX_INCLUSION
from authz_service.domain.violation import Violation
from authz_service.errors import InvalidArgument


def check_inclusions(
    section: str, key: str, graph: dict[str, list[str]], names: Iterable[str]
) -> Iterator[Violation]:
    """Find circles and chains that are too long. A name found is cut off: each is told once."""
    below, above = _depths(graph), _depths(_reverse(graph))
    for name in names:
        if below[name] + above.get(name, 1) - 1 <= MAX_INCLUSION:
            continue
        path = (section, name, key)
        try:
            checked_inclusion(graph, name, ".".join(path))
        except InvalidArgument as wrong:
            yield Violation(path, wrong.reason, wrong.message)
            graph[name] = []


def _depths(graph: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Count the names in each one's longest chain, up to one more than is allowed."""
    depths = dict.fromkeys(graph, 1)
    for _ in range(MAX_INCLUSION):
        depths = {
            name: 1 + max((depths.get(other, 1) for other in included), default=0)
            for name, included in graph.items()
        }
    return depths


def _reverse(graph: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    reverse: dict[str, list[str]] = {}
    for name, included in graph.items():
        for other in included:
            reverse.setdefault(other, []).append(name)
    return reverse
