"""What is wrong with a policy file, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from authz_service.errors import ErrorReason, InvalidArgument

MAX_BYTES: Final = 5_000_000
"""The largest file that is read."""

TOO_LARGE: Final = f"the file is larger than {MAX_BYTES:,} bytes: split what it declares"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. Lines count from 1; `field` is a path, a column, or "" for the file."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, self.field, self.message) if part)


class PolicyFileError(InvalidArgument):
    """Refuses a policy; the message lists every problem, one a line.

    The place of the first is in `field` and `details` as well.
    """

    summary = "a policy file is wrong"

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(
            ErrorReason.INVALID_FIELD,
            f"{count}, nothing was changed:{lines}",
            field=problems[0].field,
            details={"file": problems[0].file, "line": str(problems[0].line)},
        )
        self.problems = tuple(problems)
