"""Steps of a demo: what is asked, what came back, how long it took, and whether it had to be so."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display import tables

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Storyteller:
    """Prints numbered steps and keeps count of those that went otherwise than expected."""

    console: Console
    steps: int = 0
    surprises: list[str] = field(default_factory=list)

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        width = min(self.console.width, 80)
        self.console.print()
        self.console.print(Rule(Text(title, "bold cyan"), style="dim", align="left"), width=width)

    def step(
        self,
        title: str,
        command: str,
        do: Callable[[], Answer],
        text: Callable[[Answer], str],
        expected: str,
    ) -> Answer:
        """Do one thing; `said` puts the answer in words, which must be the expected ones.

        Whatever `do` raises goes through, counted as a surprise.
        """
        self.steps += 1
        self._announce(title, command)
        began = time.perf_counter()
        try:
            answer = do()
        except Exception as error:
            self._judge(str(error), "an answer", "")
            raise
        took = f"{(time.perf_counter() - began) * 1000:,.1f} ms"
        self._judge(text(answer), expected, took)
        return answer

    def show(self, *parts: RenderableType) -> None:
        """Print below a step."""
        for part in parts:
            self.console.print(Padding(part, (0, 0, 0, 5), expand=False))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        with self.console.status(f"waiting {seconds:.1f} s"):
            time.sleep(max(0.0, seconds))

    def end(self) -> None:
        """Sum up in one line."""
        as_expected = self.steps - len(self.surprises)
        self.console.print()
        for surprise in self.surprises:
            self.console.print(Text(f"{out.NO} {surprise}", "bold red"))
        style = "bold red" if self.surprises else "bold green"
        self.console.print(Text(f"{self.steps} steps, {as_expected} as expected", style))

    def _announce(self, title: str, command: str) -> None:
        self.console.print()
        self.console.print(Text.assemble((f"{self.steps:>3}  ", "bold"), (title, "bold")))
        if command:
            prompt = "$" if command.startswith("authz ") else "rpc"
            self.show(
                Text(command if command.startswith("POST ") else f"{prompt} {command}", "dim")
            )

    def _judge(self, got: str, expected: str, took: str) -> None:
        if got == expected:
            self.show(
                Text.assemble((f"{out.YES} ", "green"), tables.shown(got), (f"  {took}", "dim"))
            )
            return
        self.surprises.append(f"step {self.steps}: expected {expected}, got {got}")
        self.show(Text(f"{out.NO} {got}, expected: {expected}  {took}", "bold red"))
