"""Certificates made on the spot: an authority and what it signs, as PEM files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


class Pair(NamedTuple):
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Files:
    """Where a pair lies."""

    certificate: Path
    key: Path

    def put(self, pair: Pair) -> None:
        self.certificate.write_bytes(pair.certificate)
        self.key.write_bytes(pair.key)


class Authority:
    """Signs certificates."""

    def __init__(self, name: str = "Test CA") -> None:
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        made = _builder(self._name, self._name, now - _DAY, now + 30 * _DAY, self._key)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.pem = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def sign(
        self,
        name: str = "server",
        *,
        days: tuple[int, int] = (-1, 30),
        ip: str = "127.0.0.1",
        also: Sequence[x509.GeneralName] = (),
    ) -> Pair:
        """Sign a certificate for an address, good from one day to another, counted from today."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        made = _builder(
            _named(name), self._name, now + days[0] * _DAY, now + days[1] * _DAY, key
        ).add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(ip)), *also]), False)
        signed = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return Pair(signed, _pem(key))


def files(folder: Path, name: str, pair: Pair | None = None) -> Files:
    """Name two files in a folder, and write the pair there, if there is one."""
    found = Files(folder / f"{name}.pem", folder / f"{name}.key")
    if pair is not None:
        found.put(pair)
    return found


def serial(certificate: bytes) -> int:
    """Read a certificate's serial number; DER or PEM."""
    if certificate.startswith(b"-----"):
        return x509.load_pem_x509_certificate(certificate).serial_number
    return x509.load_der_x509_certificate(certificate).serial_number


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    begins: datetime,
    ends: datetime,
    key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
