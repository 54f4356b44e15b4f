"""Prometheus metrics: what was counted elsewhere, put together when somebody scrapes.

No label ever holds what a caller sent: methods, codes, reasons, actions and ports are closed sets.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from authz_service.serving.figures import Figures, total
from authz_service.web.mounts import Threads


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures come from; they are read once at a scrape, all from memory."""

    ports: Mapping[str, Callable[[], Figures]]
    """What each port comes to, over all processes that serve it."""
    bounds: Sequence[float]
    """Upper bounds of the latency buckets, in seconds."""
    gauges: Mapping[str, tuple[str, Callable[[Figures], float]]] = field(default_factory=dict)
    """Name to help and value, of all figures together."""
    counters: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Name to help, and to what is counted and under which label."""
    labelled: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Counters with one label: name to help, label, and what is counted."""
    grouped: Mapping[
        str, tuple[str, tuple[str, str], Callable[[], Mapping[tuple[str, str], int]]]
    ] = field(default_factory=dict)
    """Gauges with two labels: name to help, labels, and values by theirs."""


class ServiceCollector(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        by_port = {port: read() for port, read in self._sources.ports.items()}
        together = total(by_port.values())
        yield _decisions(together)
        yield self._times(together)
        yield from _in_flight(by_port)
        for name, (text, value) in self._sources.gauges.items():
            yield GaugeMetricFamily(name, text, value=value(together))
        for name, (text, counted, label) in self._sources.counters.items():
            number = together.counts.get(counted, {}).get(label, 0)
            yield CounterMetricFamily(name, text, value=number)
        for name, (text, label, counted) in self._sources.labelled.items():
            family = CounterMetricFamily(name, text, labels=[label])
            for of, number in sorted(together.counts.get(counted, {}).items()):
                family.add_metric([of], number)
            yield family
        for name, (text, labels, groups) in self._sources.grouped.items():
            group = GaugeMetricFamily(name, text, labels=labels)
            for both, number in sorted(groups().items()):
                group.add_metric(both, number)
            yield group

    def _times(self, together: Figures) -> Metric:
        family = HistogramMetricFamily(
            "authz_rpc_seconds",
            "Time from a thread's taking a call to its answer, by method and gRPC code.",
            labels=["service", "method", "code"],
        )
        bounds = [*map(repr, self._sources.bounds), "+Inf"]
        for (rpc, code), (buckets, seconds) in sorted(together.times.items()):
            so_far = list(zip(bounds, map(float, accumulate(buckets)), strict=True))
            family.add_metric([*rpc.split("."), code], so_far, seconds)
        return family


def _decisions(together: Figures) -> Metric:
    family = CounterMetricFamily(
        "authz_decisions", "Decisions given, by reason; batches count each.", labels=["reason"]
    )
    for reason, number in together.decisions.items():
        family.add_metric([reason], number)
    return family


def _in_flight(by_port: Mapping[str, Figures]) -> Iterator[Metric]:
    running = GaugeMetricFamily("authz_calls_running", "Calls in a thread.", labels=["port"])
    waiting = GaugeMetricFamily(
        "authz_calls_waiting", "Calls that wait for a thread.", labels=["port"]
    )
    for port, figures in by_port.items():
        running.add_metric([port], figures.running)
        waiting.add_metric([port], figures.waiting)
    yield running
    yield waiting


def routes(sources: Sources, threads: Threads) -> list[Route]:
    """List the route that answers a scrape."""
    registry = CollectorRegistry()
    registry.register(ServiceCollector(sources))
    for kind in (ProcessCollector, PlatformCollector, GCCollector):
        kind(registry=registry)

    async def scrape(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        content = await threads.run(partial(encode, registry))
        return Response(content, headers={"Content-Type": content_type})

    return [Route("/metrics", scrape)]
