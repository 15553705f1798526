"""What the deployment is for."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any

from swarmhub.settings.keys import ChangeEffect, Refused, key, shown, whole_number


def date(value: Any) -> datetime.date:
    """A day. Pulumi makes YAML's own dates into ``2027-03-05 00:00:00 +0000 UTC`` (seen with 3.259)."""
    try:
        if not isinstance(value, str) or not re.fullmatch(
            r"\d{4}-\d\d-\d\d([T ]00:00:00[ +:0-9A-Z]*)?", value
        ):
            raise ValueError
        return datetime.date.fromisoformat(value[:10])
    except ValueError:
        raise Refused(f"{shown(value)} is not a date", "It is a day such as 2027-03-05") from None


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What the deployment is for: how many people come, and when it ends."""

    users: int | None = key(
        whole_number(1, 5000),
        "People who have a server at the same time; the workers must seat them",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    ends: datetime.date | None = key(
        date,
        "Last day; the cost is shown up to its end, and credentials that expire before are refused",
        change=ChangeEffect.NOTHING,
        default=None,
    )
