"""Secrets that have to be read again lie in the database sealed: AES-256-GCM, by a key outside it.

A sealed secret names the key that opens it, and opens only for what it was sealed for: copied to
another row it is nothing. Of the keys there are, the first seals and every one opens.
"""

import os
import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_SEALED: Final = re.compile(r"aes256gcm:([0-9a-f]{8}):([A-Za-z0-9+/]+=*)")


class Seals:
    """Seals and opens by keys that are given, or that lie in a file, one a line in base64.

    A file is read again when a secret names a key that is not known, so that keys can be rotated
    under servers that run.
    """

    def __init__(
        self,
        given: str = "",
        file: Path | None = None,
        random_bytes: Callable[[int], bytes] | None = None,
    ) -> None:
        """Take the keys `given`, separated by commas, else those of `file`, which need not be.

        Without `random_bytes` there are no keys, and nothing can be sealed.

        Raises:
            InvalidArgument: what is given, or in the file, is no key.
        """
        self._file = None if given else file
        self._where = "AUTHZ_SEALING_KEY" if given else f"AUTHZ_SEALING_KEY_FILE={file}"
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._keys = _keys(given.split(","), self._where) if given else {}
        self._read()

    def seal(self, secret: str, of: str, sealed: Callable[[], Collection[str]]) -> str:
        """Seal a secret of `of`. `sealed` tells what is sealed already: where there is any, and no
        key, none is made, as it would be another one.

        Raises:
            FailedPrecondition: SEALING_KEY_MISSING.
        """
        name, key = self._first(sealed)
        nonce = self._random(_NONCE_BYTES)
        content = nonce + AESGCM(key).encrypt(nonce, secret.encode(), of.encode())
        return f"aes256gcm:{name}:{b64encode(content).decode()}"

    def open(self, sealed: str, of: str) -> str:
        """Open a secret.

        Raises:
            FailedPrecondition: SEALING_KEY_MISSING: the key is not here, or it is not `of`'s.
        """
        match = _SEALED.fullmatch(sealed)
        name, content = match.groups() if match else ("", "")
        key = self._find(name)
        if key is None:
            raise self._missing([name])
        raw = b64decode(content)
        nonce, rest = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, rest, of.encode()).decode()
        except InvalidTag as error:
            raise FailedPrecondition(
                ErrorReason.SEALING_KEY_MISSING,
                f"a secret of {of} was altered in the database, or moved there from another row; "
                "rotate it",
            ) from error

    def unknown(self, sealed: Collection[str]) -> list[str]:
        """Name the keys that some secrets are sealed with and that are not here."""
        names = {match[1] if (match := _SEALED.fullmatch(text)) else "none" for text in sealed}
        return sorted(name for name in names if self._find(name) is None)

    def require_all(self, sealed: Collection[str]) -> None:
        """Raises: FailedPrecondition, SEALING_KEY_MISSING, if one of them cannot be opened."""
        if unknown := self.unknown(sealed):
            raise self._missing(unknown)

    def add_key(self) -> str:
        """Put a new key first in the file, or make the file, and name the key.

        Raises:
            FailedPrecondition: SEALING_KEY_MISSING: keys are given by a setting.
        """
        with self._lock:
            self._read()
            return self._add()

    def _add(self) -> str:
        if self._file is None:
            raise FailedPrecondition(
                ErrorReason.SEALING_KEY_MISSING,
                "put the new key first in AUTHZ_SEALING_KEY yourself, before the present one",
            )
        key = self._random(_KEY_BYTES)
        texts = [b64encode(each).decode() for each in (key, *self._keys.values())]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_name(f"{self._file.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write("".join(f"{text}\n" for text in texts))
            out.flush()
            os.fsync(out.fileno())
        beside.replace(self._file)
        self._keys = {_name(key): key, **self._keys}
        return _name(key)

    def _random(self, count: int) -> bytes:
        if self._random_bytes is None:
            raise self._missing([])
        return self._random_bytes(count)

    def _first(self, sealed: Callable[[], Collection[str]]) -> tuple[str, bytes]:
        with self._lock:
            self._read()
            if not self._keys:
                if self._file is None or sealed():
                    raise self._missing([])
                self._add()
            return next(iter(self._keys.items()))

    def _find(self, name: str) -> bytes | None:
        with self._lock:
            if name and name not in self._keys:
                self._read()
            return self._keys.get(name)

    def _read(self) -> None:
        if self._file is not None and self._file.exists():
            self._keys = _keys(self._file.read_text(encoding="ascii").split(), self._where)

    def _missing(self, names: Collection[str]) -> FailedPrecondition:
        which = f"key {', '.join(names)}" if names else "the key"
        return FailedPrecondition(
            ErrorReason.SEALING_KEY_MISSING,
            f"secrets in the database are sealed, and {which} that opens them is not in "
            f"{self._where}; put it there, or rotate the secrets of the webhooks",
            details={"keys": ",".join(names)},
        )


def _keys(texts: Collection[str], where: str) -> dict[str, bytes]:
    keys = {}
    for text in texts:
        try:
            key = b64decode(text.strip(), validate=True)
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise InvalidArgument(
                ErrorReason.INVALID_FIELD,
                f"{where}: each key is {_KEY_BYTES} bytes in base64, as `openssl rand -base64 "
                f"{_KEY_BYTES}` writes them",
                field=where.partition("=")[0],
            )
        keys[_name(key)] = key
    return keys


def _name(key: bytes) -> str:
    """Name a key by a part of its digest, which tells nothing of it."""
    return sha256(b"authz sealing key\0" + key).hexdigest()[:8]
