"""The key of a client: given, or read from its file."""

from pathlib import Path

from authz_service.client.failure import ExitCode, Failure


def key_of(key: str, file: Path, *, certificate: bool) -> str:
    """Return the key to call with, `key` or the content of `file`.

    It is "" if there is neither and a `certificate` is shown instead.

    Raises:
        Failure: there is neither, or what there is cannot be used.
    """
    if key:
        return _fit(key.strip(), "AUTHZ_KEY")
    file = file.absolute()
    if certificate and not file.exists():
        return ""
    try:
        key = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _no_key(f"AUTHZ_KEY is not set and {file} cannot be read: {why}") from None
    if not key:
        raise _no_key(f"AUTHZ_KEY is not set and {file} is empty")
    return _fit(key, str(file))


def _fit(key: str, where: str) -> str:
    """Refuse here what gRPC would refuse to send, and repeat in its error."""
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    raise _no_key(f"{where} holds no key: a key is one word of printable ASCII")


def _no_key(message: str) -> Failure:
    return Failure(
        ExitCode.NO_KEY,
        "NO_KEY",
        message,
        advice="set AUTHZ_KEY, or AUTHZ_KEY_FILE to a file that holds a key; the first start of "
        "the server (make run) writes var/operator.key, authz keys create makes more. A caller "
        "known by its certificate needs none: --tls-cert, --tls-key",
    )
