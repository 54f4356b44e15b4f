"""An explanation as a tree that a person can read; its last line says what to do."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text
from rich.tree import Tree

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.remedies import command
from authz_service.cli.display.words import code, instant, window
from authz_service.gen.authz.v1 import authorization_pb2 as pb

_NAMED: Final = 5
"""Permissions that are spelt out."""


def tree(question: pb.ExplainRequest, answer: pb.ExplainResponse) -> Tree:
    """Draw the answer, what each layer said, and the rules that mattered."""
    drawn = Tree(_head(question, answer), guide_style="dim")
    names = max((len(layer.layer) for layer in answer.layers), default=0)
    for layer in answer.layers:
        drawn.add(_layer(layer, names))
    if answer.rules:
        rules = drawn.add(Text("rules that mattered", "bold"))
        for rule in answer.rules:
            rules.add(_rule(rule))
    drawn.add(Text(f"decided at revision {answer.revision}, {instant(answer.at_time)}", "dim"))
    return drawn


def remedy_lines(answer: pb.ExplainResponse) -> Iterator[Text]:
    """Write what would turn a denial into an allowance; the last line is the least that does.

    Nothing if the answer is yes.
    """
    if not answer.remedies:
        return
    first, *others = answer.remedies
    if others:
        yield Text("or else", "bold")
    for remedy in others:
        yield Text("  ").append_text(_aside(remedy)).append(f"  ({command(remedy)})", "dim")
    last = Text("to allow it: ", "bold").append_text(_aside(first))
    yield last.append(f": {command(first)}", "bold cyan")


def class_advice(reason_class: pb.ReasonClass.ValueType) -> str:
    """Say what a product does about a denial."""
    return {
        pb.REASON_CLASS_NOT_ENTITLED: "offer an upgrade",
        pb.REASON_CLASS_NOT_PERMITTED: "send the user to their admin",
        pb.REASON_CLASS_SUSPENDED: "send the user to billing or to their admin",
        pb.REASON_CLASS_EXPIRED: "offer to renew",
        pb.REASON_CLASS_LIMIT_REACHED: "offer more of the limit",
        pb.REASON_CLASS_NOT_A_MEMBER: "the subject does not belong here",
        pb.REASON_CLASS_UNKNOWN_PERMISSION: "mend the product or the catalogue",
    }.get(reason_class, "")


def _head(question: pb.ExplainRequest, answer: pb.ExplainResponse) -> Text:
    where = f" ({question.scope})" if question.scope else ""
    asked = f"  {question.subject}  {question.permission}  in {question.tenant}{where}"
    return Text.assemble(
        out.verdict(allowed=answer.allowed),
        (tables.shown(asked).plain, "bold"),
        ("" if answer.allowed else f"  {code(pb.DecisionReason, answer.reason)}", "red"),
    )


def _layer(layer: pb.ExplainedLayer, width: int) -> Text:
    mark = (out.YES, "green") if layer.agrees else (out.NO, "bold red")
    text = Text.assemble(mark, f" {layer.layer:<{width}}  ", tables.shown(layer.summary))
    if not layer.agrees:
        text.append(f"  {code(pb.DecisionReason, layer.reason)}", "red")
    return text


def _rule(rule: pb.ExplainedRule) -> Text:
    text = Text.assemble((f"{rule.ptype:<3}", "cyan"), tables.shown(", ".join(rule.values)))
    if (current := window(rule)) != "always":
        text.append(f"  {current}", "dim")
    return text


def _aside(remedy: pb.Remedy) -> Text:
    """Say what a remedy does, what it gives besides, and what it would take away."""
    text = Text.assemble(tables.shown(remedy.summary))
    if remedy.gives:
        text.append(f"; also gives {_few(remedy.gives)}")
    if remedy.takes_away:
        text.append(f"; takes away {_few(remedy.takes_away)}", "red")
    return text


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
