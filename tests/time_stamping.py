"""A time-stamping authority for tests: `openssl ts`, with certificates of a test."""

import datetime as dt
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)
CONFIGURATION = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/{signer}.pem
certs = {folder}/root.pem
signer_key = {folder}/{signer}.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Authority:
    folder: Path

    @property
    def root(self):
        return self.folder / "root.pem"

    def answer(self, request, signer="signer"):
        """What it answers to a request, now, by one of its signers."""
        (self.folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=self.folder, signer=signer))
        (self.folder / "request.tsq").write_bytes(request)
        subprocess.run(
            ["openssl", "ts", "-reply", "-config", self.folder / "tsa.cnf", "-queryfile", self.folder / "request.tsq",
             "-out", self.folder / "answer.tsr"],
            check=True, capture_output=True,
        )  # fmt: skip
        return (self.folder / "answer.tsr").read_bytes()

    def verifies(self, answer, text):
        """openssl's own verdict."""
        (self.folder / "check.tsr").write_bytes(answer)
        (self.folder / "check.txt").write_bytes(text)
        ended = subprocess.run(
            ["openssl", "ts", "-verify", "-in", self.folder / "check.tsr", "-data", self.folder / "check.txt",
             "-CAfile", self.root],
            check=False, capture_output=True,
        )  # fmt: skip
        return ended.returncode == 0


def authority(folder):
    """A root, a signer, one whose certificate has ended, and one that may not stamp."""
    folder.mkdir(parents=True, exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    root_key = rsa.generate_private_key(65537, 2048)
    root = _made(folder, "root", root_key, "root", root_key, now - 800 * DAY, now + 800 * DAY, ca=True)
    for name, last, purpose in (
        ("signer", now + 400 * DAY, ExtendedKeyUsageOID.TIME_STAMPING),
        ("ended", now - 1 * DAY, ExtendedKeyUsageOID.TIME_STAMPING),
    ):
        key = rsa.generate_private_key(65537, 2048)
        _made(folder, name, key, root.subject, root_key, now - 400 * DAY, last, purpose=purpose)
    return Authority(folder)


def _made(folder, name, key, issuer, signing, first, last, *, ca=False, purpose=None):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} of {folder.name}")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if ca else issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if ca:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    if purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
    made = builder.sign(signing, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return made
