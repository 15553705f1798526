"""Certificates by a CA of the operator's, for stacks that take theirs from files."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@dataclass(frozen=True)
class Authority:
    """A CA whose files are in a directory."""

    directory: Path

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def key(self) -> Path:
        return self.directory / "ca.key"

    @classmethod
    def make(cls, directory: Path) -> Authority:
        made = cls(directory)
        openssl(
            *("req", "-x509", *NEW_KEY, "-subj", "/CN=campus CA"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", made.key, "-out", made.certificate),
        )
        return made

    def issue(self, domain: str) -> tuple[Path, Path]:
        """A new certificate for a name and all below it, and its key, in place of the last ones."""
        files = {name: self.directory / f"leaf.{name}" for name in ("key", "csr", "pem", "ext")}
        # Python from 3.13 on wants the signer's key named.
        files["ext"].write_text(f"subjectAltName=DNS:{domain},DNS:*.{domain}\nauthorityKeyIdentifier=keyid\n")
        openssl("req", *NEW_KEY, "-subj", "/CN=hub", "-keyout", files["key"], "-out", files["csr"])
        signer = ("-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial")
        openssl("x509", "-req", "-in", files["csr"], *signer, "-extfile", files["ext"], "-out", files["pem"])
        return files["pem"], files["key"]
