"""Requests made from the proto descriptors, by chance: no RPC is named here."""

from random import Random
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz.pools import BYTES, NUMBERS, TEXTS, Pools

_DEEPEST: Final = 4
_MOST: Final = (0, 1, 1, 2, 3, 3, 8)
_VERY_MANY: Final = 1001
"""One more than any batch takes."""
_BAD_UTF8: Final = b"\xff\xc0\xaf"


class Making:
    """Makes messages of one world; the same random numbers make the same."""

    def __init__(self, random: Random, pools: Pools) -> None:
        self._random, self._pools = random, pools

    def request(self, kind: Descriptor, good: Message | None) -> bytes:
        """Make what is sent: mostly a message, now and then only bytes."""
        chance = self._random.random()
        if good is not None and chance < 0.7:
            return self._spoiled(self.mutated(good).SerializePartialToString(), 0.05)
        if chance < 0.95:
            return self._spoiled(self.message(kind).SerializePartialToString(), 0.1)
        return self._random.randbytes(self._random.choice((0, 1, 3, 20, 200)))

    def message(self, kind: Descriptor, depth: int = 0) -> Message:
        made = GetMessageClass(kind)()
        fields = list(kind.fields)
        # All fields at once seldom get beyond the first refusal.
        often = self._random.choice((0.2, 0.6, 0.9))
        for field in fields:
            if self._random.random() < often:
                self._fill(made, field, depth)
        return made

    def mutated(self, good: Message) -> Message:
        """Change one to three fields of a copy, at any depth; or none: a repetition."""
        made = type(good)()
        made.CopyFrom(good)
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 3))):
            place: Any = made
            while True:
                field = self._random.choice(place.DESCRIPTOR.fields or [None])
                if field is None:
                    break
                nested = [] if _is_map(field) else _messages(place, field)
                if not nested or self._random.random() < 0.3:
                    place.ClearField(field.name)
                    if self._random.random() < 0.85:
                        self._fill(place, field, 1)
                    break
                place = self._random.choice(nested)
        return made

    def _fill(self, message: Any, field: Any, depth: int) -> None:
        if depth > _DEEPEST:
            return
        if _is_map(field):
            self._fill_map(getattr(message, field.name), field, depth)
        elif field.is_repeated:
            flat = depth == 0 and self._random.random() < 0.02
            many = _VERY_MANY if flat else self._random.choice(_MOST)
            values = [self._value(field, depth + 1) for _ in range(min(many, 8))]
            if values:
                getattr(message, field.name).extend((values * (many // len(values) + 1))[:many])
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(self._value(field, depth + 1))
        else:
            setattr(message, field.name, self._value(field, depth))

    def _fill_map(self, found: Any, field: Any, depth: int) -> None:
        entry = field.message_type.fields_by_name
        for _ in range(self._random.choice(_MOST)):
            key, value = self._value(entry["key"], depth), self._value(entry["value"], depth + 1)
            if isinstance(value, Message):
                found[key].CopyFrom(value)
            else:
                found[key] = value

    def _value(self, field: Any, depth: int) -> Any:
        match field.type:
            case FieldDescriptor.TYPE_MESSAGE:
                return self.message(field.message_type, depth)
            case FieldDescriptor.TYPE_STRING:
                if field.containing_type.name == "FieldMask":
                    return self._random.choice(("id", "roles", "reason", "tier", "*", *TEXTS))
                return self._pools.text(self._random, field.name)
            case FieldDescriptor.TYPE_BYTES:
                return self._random.choice(BYTES)
            case FieldDescriptor.TYPE_BOOL:
                return self._random.random() < 0.5
        if field.type == FieldDescriptor.TYPE_ENUM and field.enum_type.is_closed:
            return self._random.choice(field.enum_type.values).number
        numbers = NUMBERS[field.cpp_type]
        return self._random.choice(numbers[:3] if self._random.random() < 0.5 else numbers)

    def _spoiled(self, content: bytes, often: float) -> bytes:
        """Add what no field explains, or break some bytes."""
        if self._random.random() >= often:
            return content
        at = self._random.randrange(len(content) + 1)
        match self._random.randrange(5):
            case 0:  # an unknown field
                return content + b"\xfa\x7f\x03abc"
            case 1:  # bad UTF-8 in the first field
                return content + b"\x0a\x03" + _BAD_UTF8
            case 2:  # messages in messages in messages
                return content + _nested(150)
            case 3:
                return content[:at]
        return content[:at] + self._random.randbytes(1) + content[at + 1 :]


def _is_map(field: Any) -> bool:
    is_message: bool = field.type == FieldDescriptor.TYPE_MESSAGE
    return is_message and field.message_type.GetOptions().map_entry


def _messages(message: Any, field: Any) -> list[Any]:
    """List the messages that are in a field."""
    if field.type != FieldDescriptor.TYPE_MESSAGE:
        return []
    if field.is_repeated:
        return list(getattr(message, field.name))
    return [getattr(message, field.name)] if message.HasField(field.name) else []


def _nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        size = len(content)
        content = b"\x0a" + bytes([size & 0x7F | 0x80, size >> 7]) + content
    return content
