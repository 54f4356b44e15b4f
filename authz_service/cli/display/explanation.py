"""An explanation as a tree that a person can read; its last line says what to do."""

from collections.abc import Iterator

from rich.text import Text
from rich.tree import Tree

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.remedies import command, needed
from authz_service.cli.display.words import code, window
from authz_service.gen.authz.v1 import authorization_pb2 as pb


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
    drawn.add(Text(f"decided at revision {answer.revision}, {answer.at.ToJsonString()}", "dim"))
    return drawn


def remedy_lines(question: pb.ExplainRequest, answer: pb.ExplainResponse) -> Iterator[Text]:
    """Write what would change a denial; the last line is the command, or the sentence, to follow.

    Nothing if the answer is yes.
    """
    chosen = needed(answer)
    others = [remedy for remedy in answer.remedies if remedy not in chosen]
    if others:
        yield Text("or else", "bold")
        for remedy in others:
            yield Text.assemble(
                "  ", tables.shown(remedy.summary), (_aside(question, remedy), "dim")
            )
    if chosen:
        said = ", and ".join(remedy.summary for remedy in chosen)
        run = " && ".join(filter(None, (command(question, remedy) for remedy in chosen)))
        last = Text.assemble(("to allow it: ", "bold"), tables.shown(said))
        yield last.append(f": {run}", "bold cyan") if run else last


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
    said = Text.assemble(mark, f" {layer.layer:<{width}}  ", tables.shown(layer.summary))
    if not layer.agrees:
        said.append(f"  {code(pb.DecisionReason, layer.reason)}", "red")
    return said


def _rule(rule: pb.ExplainedRule) -> Text:
    text = Text.assemble((f"{rule.ptype:<3}", "cyan"), tables.shown(", ".join(rule.values)))
    if (held := window(rule)) != "always":
        text.append(f"  {held}", "dim")
    return text


def _aside(question: pb.ExplainRequest, remedy: pb.Remedy) -> str:
    run = command(question, remedy)
    return f"  ({run})" if run else ""
