"""`python -m tests.bench`: measure everything beside others, in one run.

Nothing here fails because it was slow: a figure is for people to read and to keep.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from tests.bench import (
    calls,
    customers,
    decision,
    deltas,
    events,
    grants,
    intake,
    overload,
    plan,
    start,
)
from tests.bench.figures import Topic
from tests.bench.run import ROOT, Run, machine

TOPICS: Final[dict[str, Callable[[Run], Topic]]] = {
    "decision": decision.measure,
    "start": start.measure,
    "deltas": deltas.measure,
    "grants": grants.measure,
    "plan": plan.measure,
    "events": events.measure,
    "intake": intake.measure,
    "import": customers.measure,
    "calls": calls.measure,
    "overload": overload.measure,
}


def main() -> None:
    options = _options()
    began = datetime.now(UTC)
    out = options.out or ROOT / "var" / "bench" / f"{began:%Y-%m-%dT%H%M%SZ}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 120)
    document: dict[str, Any] = {
        "began": began.isoformat(),
        "quick": options.quick,
        "machine": machine(),
        "topics": {},
    }
    with tempfile.TemporaryDirectory(prefix="authz-bench-") as folder:
        run = Run(Path(folder), options.quick)
        for name in options.only or TOPICS:
            clock = time.perf_counter()
            topic = TOPICS[name](run)
            seconds = time.perf_counter() - clock
            document["topics"][name] = {**topic.document(), "seconds": seconds}
            out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            console.print(topic.table(), f"({name}: {seconds:.0f} s)\n", sep="\n")
    console.print(f"Raw figures: {out}", soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute, less precise, no L")
    parser.add_argument(
        "--only", action="append", choices=TOPICS, help="one topic; may be repeated"
    )
    parser.add_argument("--out", type=Path, help="file for the raw figures (JSON)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
