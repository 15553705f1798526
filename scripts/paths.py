"""Where things lie in the checkout beside what rehearsal.paths names."""

from __future__ import annotations

from rehearsal.paths import CHECKOUT

VIRTUALENV = CHECKOUT / ".venv"
STATE = CHECKOUT / ".state"
REQUIREMENTS = CHECKOUT / "requirements"
TEST_RESULTS = CHECKOUT / "test-results"
