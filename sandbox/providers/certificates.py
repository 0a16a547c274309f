"""The sandbox's own certificate authority, and a certificate for the media host."""

from dataclasses import dataclass
from pathlib import Path

import certifi
import trustme

from sandbox.providers.files.store import GOOGLE_HOST, MEDIA_HOST


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM; `bundle` holds the public roots and our own, for `SSL_CERT_FILE`."""

    ca: Path
    bundle: Path
    chain: Path
    key: Path


def write_certificates(folder: Path) -> Certificates:
    """New ones, for this start only."""
    files = Certificates(
        ca=folder / "ca.pem",
        bundle=folder / "ca-bundle.pem",
        chain=folder / "media.pem",
        key=folder / "media.key",
    )
    authority = trustme.CA(organization_name="VidFab sandbox")
    certificate = authority.issue_cert(MEDIA_HOST, GOOGLE_HOST)
    authority.cert_pem.write_to_path(str(files.ca))
    roots = Path(certifi.where()).read_bytes()
    files.bundle.write_bytes(roots + b"\n" + authority.cert_pem.bytes())
    files.key.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(str(files.key))
    for position, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(str(files.chain), append=position > 0)
    return files
