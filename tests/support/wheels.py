"""A Python package that is made on the spot, for images that are built where there is no package registry."""

from __future__ import annotations

import io
import zipfile


def make_wheel(version: str) -> bytes:
    """A package ``tiny`` that pip installs without asking anybody."""
    information = f"tiny-{version}.dist-info"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        wheel.writestr("tiny.py", f"version = {version!r}\n")
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        wheel.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{information}/RECORD", "")
    return content.getvalue()


def requirements_files(version: str) -> dict[str, bytes]:
    """A directory to build an image from: the package, and the requirements.txt that names it."""
    wheel = f"tiny-{version}-py3-none-any.whl"
    return {"requirements.txt": f"./{wheel}\n".encode(), wheel: make_wheel(version)}
