"""Words with a colon (`user:alice`, `invoices:export`) as bash hands them to a completion.

Bash breaks words at colons (COMP_WORDBREAKS) and puts a proposal in place of what follows the last
one. So the pieces are joined before a command reads them, and what stands before the last colon is
cut off what it proposes: what `_get_comp_words_by_ref -n :` and `__ltrim_colon_completions` of
bash-completion do, which is not everywhere.
"""

import io
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, redirect_stdout
from typing import Final

_ASKED: Final = "_AUTHZ_COMPLETE"


@contextmanager
def completed_whole(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Run a command inside; where bash asks for proposals, join its words and cut the replies."""
    if environment.get(_ASKED) != "complete_bash" or "COMP_WORDS" not in environment:
        yield
        return
    words = environment["COMP_WORDS"].split("\n")  # as Typer's script for bash joins them
    before = _joined(words[: int(environment["COMP_CWORD"]) + 1])
    environment["COMP_WORDS"] = "\n".join(before)
    environment["COMP_CWORD"] = str(len(before) - 1)
    is_split = ":" in words
    fixed = before[-1].rpartition(":")[0] + ":" if is_split and ":" in before[-1] else ""
    proposals = io.StringIO()
    try:
        with redirect_stdout(proposals):
            yield
    finally:
        for line in proposals.getvalue().splitlines():
            sys.stdout.write(line.removeprefix(fixed) + "\n")


def _joined(pieces: list[str]) -> list[str]:
    """Join what bash broke at colons: `user`, `:`, `al` is `user:al`."""
    words: list[str] = []
    is_open = False
    for piece in pieces:
        if words and (piece == ":" or is_open):
            words[-1] += piece
        else:
            words.append(piece)
        is_open = piece == ":"
    return words
