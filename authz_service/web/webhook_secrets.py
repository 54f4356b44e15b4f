"""Secrets of those who send events: from the environment, or a file that is read as it changes."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from authz_service.domain.billing_policy import BillingPolicy, Scheme
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.web.webhook_signatures import require_usable

log = structlog.get_logger()

_MOST: Final = 2
"""Secrets of a source that are good at once: the one that goes and the one that comes."""


class EventSecrets:
    """`given` are secrets by source; those of the file come in their place, source by source."""

    def __init__(
        self,
        secrets: Mapping[str, Sequence[str]],
        file: Path | None,
        policy: Callable[[], BillingPolicy],
    ) -> None:
        """Read the secrets.

        Raises:
            InvalidArgument: INVALID_FIELD; no secret is repeated.
        """
        self._policy = policy
        self._secrets = secrets
        self._file = file
        self._stamp: object = None
        self._given: Mapping[str, tuple[str, ...]] = {}
        self._of_file: dict[str, tuple[str, ...]] = {}
        self.load()

    def load(self) -> None:
        """Read the secrets, each as the scheme of its source has them by now.

        Raises:
            InvalidArgument: INVALID_FIELD; no secret is repeated.
        """
        self._given = self._checked(self._secrets, "AUTHZ_EVENT_SECRETS")
        if self._file is not None:
            self._stamp, self._of_file = _stamp(self._file), self._read(self._file)

    def of(self, source: str) -> Sequence[str]:
        """List the secrets of a source that are good now; none if it has none."""
        self._refresh()
        return self._of_file.get(source) or self._given.get(source, ())

    def _refresh(self) -> None:
        """Read a file that has changed; one that is wrong leaves the last good one in use."""
        if self._file is None or (stamp := _stamp(self._file)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._of_file = self._read(self._file)
            log.info("event secrets read again", file=str(self._file))
        except InvalidArgument as error:
            log.error("event secrets not usable, the last good ones stay", error=error.message)

    def _read(self, file: Path) -> dict[str, tuple[str, ...]]:
        name = "AUTHZ_EVENT_SECRETS_FILE"
        try:
            return self._checked(json.loads(file.read_text(encoding="utf-8")), name)
        except OSError as error:
            raise _wrong(f"{file} cannot be read: {error.strerror}", name) from error
        except ValueError as error:
            raise _wrong(f"{file} is not JSON", name) from error

    def _checked(self, value: Any, field: str) -> dict[str, tuple[str, ...]]:
        if not isinstance(value, Mapping):
            raise _wrong("expected a JSON object of sources, each with a list of secrets", field)
        checked: dict[str, tuple[str, ...]] = {}
        for name, secrets in value.items():
            texts = isinstance(secrets, list | tuple) and all(isinstance(s, str) for s in secrets)
            if not texts or not 1 <= len(secrets) <= _MOST:
                raise _wrong(f"source {name!r} needs a list of one or two secrets", field)
            for secret in secrets:
                try:
                    require_usable(self._scheme(name), secret)
                except ValueError as error:
                    raise _wrong(f"source {name!r}: {error}", field) from error
            checked[name] = tuple(secrets)
        return checked

    def _scheme(self, name: str) -> Scheme:
        source = self._policy().sources.get(name)
        return Scheme.HMAC if source is None else source.scheme


def _stamp(file: Path) -> object:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
