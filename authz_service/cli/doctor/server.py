"""`authz doctor`, the server's part: its ports answer, its key is good, its certificate too."""

import ssl
import stat
import time
import urllib.request
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from authz_service.cli.credentials import key_from, tls_from
from authz_service.cli.display import output as out
from authz_service.cli.doctor.finding import Finding, State, examined, ok, problem, warning
from authz_service.cli.paging import every
from authz_service.cli.session import Session
from authz_service.client.call_failure import failure_of
from authz_service.client.connection import address_of
from authz_service.client.failure import ExitCode, Failure
from authz_service.config import Settings
from authz_service.domain import key as keys
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import AuthzError
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.serving.tls import is_loopback, require_no_listeners, tls_files

_DAY: Final = 86_400
_DAYS_TO_RENEW: Final = 14
_PATIENCE: Final = 5.0


def server_findings(session: Session) -> Iterator[Finding]:
    """Look at what a running server shows to its callers."""
    settings = session.settings
    for name, port in (
        ("check port", settings.check_port),
        ("administration port", settings.admin_port),
    ):
        yield examined(name, partial(_port, session, name, port))
    if settings.metrics_port:
        yield examined("metrics port", lambda: _metrics(settings))
    if not settings.key and settings.key_file.exists():
        yield examined("key file", lambda: _key_file(settings.key_file))
    yield examined("key", lambda: _key(session))


def _port(session: Session, name: str, port: int) -> Finding:
    if not port:
        advice = "set the port that the server's log names"
        return warning(name, "not looked at: it is 0, so the server took a free one", advice)
    address = address_of(session.address, session.settings.host, port)
    with _channel(address, session.settings) as channel:
        health: Any = HealthStub(channel)  # its types know no methods
        try:
            answer = health.Check(HealthCheckRequest(), timeout=_PATIENCE)
        except grpc.RpcError as error:
            # Every error of a call is a `Call`, too; the types do not know.
            raise failure_of(cast(grpc.Call, error), address, _PATIENCE) from error
    if answer.status == HealthCheckResponse.SERVING:
        return ok(name, f"{address} is serving")
    text = f"{address} answers that it is not serving"
    return problem(name, text, "its database does not answer, or it stops: see the server's log")


def _channel(address: str, settings: Settings) -> grpc.Channel:
    """Connect as the CLI does, without a key: health is told to everybody."""
    options = [("grpc.enable_http_proxy", 0)]
    credentials = tls_from(settings)
    if credentials is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, credentials, options)


def _metrics(settings: Settings) -> Finding:
    url = f"http://{address_of('', settings.metrics_host, settings.metrics_port or 0)}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
            told = b"authz_revision" in answer.read()
    except OSError as error:
        text = getattr(error, "reason", error)
        return problem("metrics port", f"{url}: {text}", "see whether the server has that setting")
    if told:
        return ok("metrics port", f"{url} answers")
    return problem("metrics port", f"{url} is somebody else's", "choose another AUTHZ_METRICS_PORT")


def _key_file(file: Path) -> Finding:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        text = f"others may read {file.absolute()}: its mode is {mode:04o}"
        return problem("key file", text, f"run chmod 600 {file}")
    return ok("key file", f"{file.absolute()}, mode {mode:04o}")


def _key(session: Session) -> Finding:
    text = key_from(session.settings)
    if not text:
        return _certificate_shown(session)
    parts = keys.parse(text)
    if parts is None:
        advice = "set AUTHZ_KEY or AUTHZ_KEY_FILE to a key of this service, whole"
        return problem("key", "it is not of the form authz_KIND_ID_SECRET, or mistyped", advice)
    try:
        rights = _rights(session, f"service:{parts[0]}")
    except Failure as failure:
        return _without_rights(parts[0], failure)
    return ok("key", f"{parts[0]} is accepted and holds {out.counted(len(rights), 'right')}")


def _certificate_shown(session: Session) -> Finding:
    """Look whether the certificate is a caller's. Which one only the server knows, so the question
    is about somebody who does not exist.
    """
    shown = f"the certificate in {session.settings.tls_client_cert}"
    try:
        _rights(session, "service:doctor")
    except Failure as failure:
        if failure.reason != "PERMISSION_DENIED":
            return _without_rights(shown, failure)
    return ok("key", f"none is needed: {shown} is accepted")


def _rights(session: Session, subject: str) -> Sequence[object]:
    request = pb.ListSubjectPermissionsRequest(tenant=SYSTEM, subject=subject)
    ask = session.authorization.ListSubjectPermissions
    return every(ask, request, lambda page: page.permissions, None).permissions


def _without_rights(key_id: str, failure: Failure) -> Finding:
    if failure.reason == "PERMISSION_DENIED":
        text = f"{key_id} is accepted; it may not ask for decisions, so its rights are not known"
        return warning("key", text)
    if failure.exit_code == ExitCode.UNREACHABLE:
        return warning("key", "not looked at: the check port does not answer")
    return problem("key", failure.message, failure.advice)


def tls_findings(settings: Settings) -> Iterator[Finding]:
    """Look at what the ports are served with: the files of AUTHZ_TLS_*, or plaintext."""
    try:
        files = tls_files(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        require_no_listeners(settings.host, files, settings.plaintext)
    except AuthzError as error:
        yield problem("TLS", error.message, "the server does not start so: mend the setting")
        return
    if files is None:
        yield _plaintext(settings.host)
        return
    yield examined("TLS key", partial(_tls_key, files.key))
    yield examined("TLS", partial(_certificate, files.certificate, files.key))
    if files.client_ca is not None:
        yield examined("TLS client CA", partial(_authorities, files.client_ca))


def _plaintext(host: str) -> Finding:
    if is_loopback(host):
        return ok("TLS", f"off; {host} is this machine alone")
    advice = "see that TLS ends before the server, and that nobody listens in between"
    return warning("TLS", f"off on {host}, as AUTHZ_PLAINTEXT allows", advice)


def _tls_key(key: Path) -> Finding:
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & 0o007:
        text = f"everyone may read {key}: its mode is {mode:04o}"
        return problem("TLS key", text, f"run chmod o= {key}")
    return ok("TLS key", f"{key}, mode {mode:04o}")


def _certificate(certificate: Path, key: Path) -> Finding:
    try:
        days = (_expiry(certificate, key) - time.time()) / _DAY
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or error.reason or str(error)
        text = f"{certificate} with {key}: {why.lower().replace('_', ' ')}"
        return problem("TLS", text, "renew the certificate, or name the key that belongs to it")
    text = f"{certificate} and its key fit; it ends in {days:.0f} days"
    if days < _DAYS_TO_RENEW:
        return warning("TLS", text, "renew it; it is read again without a restart")
    return ok("TLS", text)


def _expiry(certificate: Path, key: Path) -> float:
    """Return when a certificate ends, in seconds since the epoch, by a handshake with ourselves:
    the standard library shows a certificate's content to nobody else.

    Raises:
        ssl.SSLError: the key is another one's, or the certificate has ended.
    """
    served, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), _trusting(certificate)
    served.load_cert_chain(certificate, key, password="")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = served.wrap_bio(there, back, server_side=True)
    client = trusting.wrap_bio(back, there)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    getpeercert = client.getpeercert() or {}
    return ssl.cert_time_to_seconds(str(getpeercert["notAfter"]))


def _trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def _authorities(file: Path) -> Finding:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
    return Finding("TLS client CA", State.OK, f"{file} can be read")
