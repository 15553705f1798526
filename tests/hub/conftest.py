"""The installed programs, and a fresh directory for each hub."""

from __future__ import annotations

import pytest

from tests.hub.programs import Programs, install
from tests.hub.running import Rig


@pytest.fixture(scope="session")
def programs() -> Programs:
    return install()


@pytest.fixture(scope="module")
def rig(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return Rig(programs=programs, directory=tmp_path_factory.mktemp("hub"))
