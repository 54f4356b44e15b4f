"""Prometheus metrics: what was counted elsewhere, put together when somebody scrapes.

No label ever holds what a caller sent: methods, codes, reasons, actions and ports are closed sets.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Protocol, TypeAlias

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

from authz_service.web.mounts import Threads

Ended: TypeAlias = tuple[str, str]


class Calls(Protocol):
    """The calls of one port."""

    port: str

    def decisions(self) -> Mapping[str, int]:
        """Count decisions by reason."""

    def times(self) -> Mapping[Ended, tuple[Sequence[int], float]]:
        """Count calls by method and code: in each latency bucket, and their seconds."""

    def running(self) -> int:
        """Count calls that are being served."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures come from; each is read at a scrape, without a lock and without I/O."""

    ports: Sequence[tuple[Calls, Callable[[], int]]]
    """Each port's calls, and how many of them wait for a thread."""
    bounds: Sequence[float]
    """Upper bounds of the latency buckets, in seconds."""
    gauges: Mapping[str, tuple[str, Callable[[], float]]] = field(default_factory=dict)
    """Name to help and value."""
    counters: Mapping[str, tuple[str, Callable[[], float]]] = field(default_factory=dict)
    labelled: Mapping[str, tuple[str, str, Callable[[], Mapping[str, int]]]] = field(
        default_factory=dict
    )
    """Counters with one label: name to help, label, and values by the label's."""
    grouped: Mapping[
        str, tuple[str, tuple[str, str], Callable[[], Mapping[tuple[str, str], int]]]
    ] = field(default_factory=dict)
    """Gauges with two labels: name to help, labels, and values by theirs."""


class ServiceCollector(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        yield from self._decisions()
        yield from self._times()
        yield from self._in_flight()
        for name, (text, value) in self._sources.gauges.items():
            yield GaugeMetricFamily(name, text, value=value())
        for name, (text, value) in self._sources.counters.items():
            yield CounterMetricFamily(name, text, value=value())
        for name, (text, label, values) in self._sources.labelled.items():
            family = CounterMetricFamily(name, text, labels=[label])
            for of, number in sorted(values().items()):
                family.add_metric([of], number)
            yield family
        for name, (text, labels, groups) in self._sources.grouped.items():
            group = GaugeMetricFamily(name, text, labels=labels)
            for both, number in sorted(groups().items()):
                group.add_metric(both, number)
            yield group

    def _decisions(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "authz_decisions", "Decisions given, by reason; batches count each.", labels=["reason"]
        )
        totals: dict[str, int] = {}
        for calls, _ in self._sources.ports:
            for reason, number in calls.decisions().items():
                totals[reason] = totals.get(reason, 0) + number
        for reason, number in totals.items():
            family.add_metric([reason], number)
        yield family

    def _times(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "authz_rpc_seconds",
            "Time from a thread's taking a call to its answer, by method and gRPC code.",
            labels=["service", "method", "code"],
        )
        bounds = [*map(repr, self._sources.bounds), "+Inf"]
        for calls, _ in self._sources.ports:
            for (rpc, code), (buckets, seconds) in sorted(calls.times().items()):
                so_far = list(zip(bounds, map(float, accumulate(buckets)), strict=True))
                family.add_metric([*rpc.split("."), code], so_far, seconds)
        yield family

    def _in_flight(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("authz_calls_running", "Calls in a thread.", labels=["port"])
        waiting = GaugeMetricFamily(
            "authz_calls_waiting", "Calls that wait for a thread.", labels=["port"]
        )
        for calls, waiting_now in self._sources.ports:
            running.add_metric([calls.port], calls.running())
            waiting.add_metric([calls.port], waiting_now())
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
