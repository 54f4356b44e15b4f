"""What fields are filled with: what means something in this world, and what means trouble."""

from collections import defaultdict
from collections.abc import Iterable
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

TEXTS: Final = (
    "", " ", "*", "/", ":", "a:b", "a/b/c/d", "../../etc/passwd", "\x00", "a\x00b", "\n", "a\r\nb",
    "\u202eabc", "\ufeff", "\U0010ffff", "é", "e\u0301", "\u0131", "\u0130", "ß", "\uff10",
    "a" * 64, "a" * 65,
    "a" * 129, "x" * 5000, "\\", "\"'`", "'; DROP TABLE tenant; --", "' OR '1'='1", "%s%n%(x)s",
    "{{ 7*7 }}", "{% for x in () %}", "{0.__class__}", "=cmd|' /C calc'!A0", "a,b\nc", "@SUM(1)",
    "null", "None", "NaN", "true", "-1", "0", "1e999", "9" * 40, "user:", "user:*", "staff:x",
    "service:authz", "user:a@acme/project:42", "role/x", "tier/free", "addon/audit", "r.sub",
    "eval(1)", "p, a, b", "project:42", "project:42/document:7", "project:*", "2100-01-01",
    "2026-01-01T00:00:00Z", "http://127.0.0.1:1/", "a@example.com", "a@b\r\nBcc: c@example.com",
    "[]", "{}", "(?:a+)+$", "$.a[*]", "*.*", "update_mask", "id,id", "a..b", "<script>",
    "authz_op_",
)  # fmt: skip

_WIDE: Final = (0, 1, -1, 2, 7, 99, 1000, 1001, 2**15, 2**31 - 1, -(2**31))
_WIDER: Final = (2**31, 2**53 + 1, 2**63 - 1, -(2**63), 253402300799, 253402300800, -62135596801)
NUMBERS: Final = {
    FieldDescriptor.CPPTYPE_INT32: _WIDE,
    FieldDescriptor.CPPTYPE_INT64: (*_WIDE, *_WIDER),
    FieldDescriptor.CPPTYPE_UINT32: (0, 1, 100, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 1, 100, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: (0.0, -1.5, 1e308, float("inf"), float("nan"), 5e-324),
    FieldDescriptor.CPPTYPE_FLOAT: (0.0, -1.5, 3e38, float("inf"), float("nan")),
    FieldDescriptor.CPPTYPE_ENUM: (0, 1, 2, 3, 4, 77, -1, 2**31 - 1),
}
BYTES: Final = (
    b"", b"\x00", b"\xff\xfe", b"{}", b"[]", b"null", b"1", b'"a"', b'{"a":', b'{"a":1,"a":2}',
    b"[" * 5000, b'{"a":1e999}', b'{"\\ud800":1}', b"\xed\xa0\x80", b"\xef\xbb\xbf{}",
    b"a,b\n1,2\n",
    b"a,b\n\"", b"\x1f\x8b\x08\x00", b"x" * 70_000,
)  # fmt: skip


class Pools:
    """The words of one world, by the names of the fields in which they were seen."""

    def __init__(self) -> None:
        self._named: dict[str, list[str]] = defaultdict(list)
        self._all: list[str] = []

    def learn(self, messages: Iterable[Message]) -> None:
        for message in messages:
            for field, value in message.ListFields():
                self._learn(field, value)

    def _learn(self, field: FieldDescriptor, value: Any) -> None:
        values = list(value) if field.is_repeated else [value]
        if field.type == FieldDescriptor.TYPE_STRING:
            self._named[field.name] += values
            self._all += values
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            self.learn(each for each in values if isinstance(each, Message))

    def text(self, random: Random, name: str) -> str:
        """Choose what fits the field, what fits another, or what fits none."""
        kind = random.random()
        known = self._named.get(name) or self._named.get(name.removesuffix("s"))
        if kind < 0.8:
            # A field that no good request sets is better left empty as often.
            return random.choice(known or [""])
        if self._all and kind < 0.88:
            return random.choice(self._all)
        return random.choice(TEXTS)
