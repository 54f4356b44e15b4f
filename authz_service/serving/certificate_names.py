"""Who a client certificate is: its names by their types, as the handshake verified them."""

from collections.abc import Iterator
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from authz_service.domain.identity import CertificateProof, IdentityKind, Presented

NOBODY: Final = "?"
"""What is shown by a certificate that could be two callers': nobody's key."""

_MOST_KEPT: Final = 1000


class CertificateNames:
    """Reads certificates; one seen again costs a look-up."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Presented] = {}

    def proof(self, pem: bytes) -> Presented:
        """Return what a certificate proves: nobody if it cannot be read or names two URIs.

        A URI is the whole of an identity (SPIFFE X.509-SVID, section 2): two are none.
        """
        kept = self._kept.get(pem)
        if kept is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[pem] = _read(pem)
        return kept


def _read(pem: bytes) -> Presented:
    try:
        names = tuple(_names(x509.load_pem_x509_certificate(pem)))
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return NOBODY
    if sum(kind is IdentityKind.CERTIFICATE_URI for kind, _ in names) > 1:
        return NOBODY
    return CertificateProof(names) if names else NOBODY


def _names(certificate: x509.Certificate) -> Iterator[tuple[IdentityKind, str]]:
    """List a certificate's names, those that say most first."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        pass
    else:
        also = extension.value
        for uri in also.get_values_for_type(x509.UniformResourceIdentifier):
            yield IdentityKind.CERTIFICATE_URI, uri
        for host in also.get_values_for_type(x509.DNSName):
            yield IdentityKind.CERTIFICATE_DNS, host.lower()
        for address in also.get_values_for_type(x509.RFC822Name):
            yield IdentityKind.CERTIFICATE_EMAIL, address
        for ip in also.get_values_for_type(x509.IPAddress):
            yield IdentityKind.CERTIFICATE_IP, str(ip)
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        yield IdentityKind.CERTIFICATE_COMMON_NAME, str(attribute.value)
