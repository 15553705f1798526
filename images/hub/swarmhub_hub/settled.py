"""Any authenticator, with the stack file's last word also for those who are logged in already."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from swarmhub_hub.login import Login, settle

GROUP = "jupyterhub.authenticators"


def load_authenticator(name: str) -> type[Any]:
    """The class that JupyterHub knows by this name."""
    (found,) = entry_points(group=GROUP, name=name)
    loaded: type[Any] = found.load()
    return loaded


def settled(base: type[Any], login: Login, admits: Callable[[str], bool]) -> type[Any]:
    """The authenticator ``base``, which looks at the settings again and again for those who are logged in.

    JupyterHub asks it after a restart and every 300 s of use (auth_refresh_age); without this a login lasts
    for 14 days, whatever the settings say by then.
    """
    hook = settle(login)

    class Settled(base):  # type: ignore[misc]
        async def refresh_user(self, user: Any, handler: Any = None, **options: Any) -> Any:
            refreshed = await super().refresh_user(user, handler, **options)
            if not refreshed or not admits(user.name):
                return False
            model = refreshed if isinstance(refreshed, dict) else {"name": user.name}
            return hook(self, handler, model)

    Settled.__name__ = Settled.__qualname__ = base.__name__
    return Settled
