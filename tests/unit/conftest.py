"""What several modules of unit tests need."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's directory with the file that the dev stack names."""
    directory = tmp_path_factory.mktemp("project")
    (directory / ".rehearsal").mkdir()
    (directory / ".rehearsal" / "directory-ca.pem").write_text("directory CA\n")
    return directory
