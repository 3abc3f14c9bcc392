"""A self-signed certificate for the names of this machine, for HTTPS and HTTP/2 without a CA."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=397)  # the maximum that browsers accept
RENEW = datetime.timedelta(days=7)  # before the end of its validity


def ensure(certificate: Path, key: Path, host: str) -> None:
    """Write both files (PEM), unless the certificate is valid for another week and for `host`."""
    if key.exists() and certificate.exists() and _serves(certificate, key, host):
        return
    private = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Realtime Demo, made here")])
    # Clients distinguish certificates of one name by these identifiers (RFC 5280 §4.2.1.1).
    identifier = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(issuer, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key.unlink(missing_ok=True)
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def _names(host: str) -> list[x509.GeneralName]:
    hosts = dict.fromkeys(["localhost", "127.0.0.1", "::1", socket.gethostname(), host])
    return [_general_name(each) for each in hosts if each]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _serves(certificate: Path, key: Path, host: str) -> bool:
    """Return whether the certificate is for `key` and `host`, and valid for another week."""
    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return False
    now = datetime.datetime.now(datetime.UTC)
    return (
        # It is not valid yet if it was written while the clock was ahead.
        loaded.not_valid_before_utc <= now < loaded.not_valid_after_utc - RENEW
        and _general_name(host) in names
        and loaded.public_key() == private.public_key()
    )
