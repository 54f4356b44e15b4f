"""What the downgrade policy does, step by step."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class StepKind(StrEnum):
    """What is done about something that no longer fits, or fits again."""

    MEMBER_SUSPENDED = "member-suspended"
    MEMBER_RESUMED = "member-resumed"
    MEMBER_READ_ONLY = "member-read-only"
    MEMBER_RESTORED = "member-restored"
    INVITATION_ENDED = "invitation-ended"
    ROLE_REPLACED = "role-replaced"
    ROLE_ENDED = "role-ended"
    ROLE_RESTORED = "role-restored"


_WORDS: Final = {
    StepKind.MEMBER_SUSPENDED: "{0.subject} suspended, no seat",
    StepKind.MEMBER_RESUMED: "{0.subject} resumed, a seat again",
    StepKind.MEMBER_READ_ONLY: "{0.subject} has {0.replacement} alone, no seat",
    StepKind.MEMBER_RESTORED: "{0.subject} has all roles again, a seat again",
    StepKind.INVITATION_ENDED: "invitation of {0.subject} ended, no seat",
    StepKind.ROLE_REPLACED: "{0.role} of {0.subject} replaced by {0.replacement}",
    StepKind.ROLE_ENDED: "{0.role} of {0.subject} held back",
    StepKind.ROLE_RESTORED: "{0.role} of {0.subject} given back",
}


@dataclass(frozen=True, slots=True)
class Step:
    """`subject` is a member, or whoever was invited, by subject or else by address."""

    kind: StepKind
    subject: str
    role: str = ""
    replacement: str = ""
    scope: str = ""

    @property
    def summary(self) -> str:
        """Say it in a few words: `user:eve suspended, no seat`."""
        return _WORDS[self.kind].format(self)
