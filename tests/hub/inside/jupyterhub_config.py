"""The hub's own configuration, then what differs where servers are processes of this machine."""

import os
import sys
from pathlib import Path

from swarmhub_hub.configure import configure

c = get_config()  # type: ignore[name-defined]  # noqa: F821
directory = Path(os.environ["HUB_TEST_DIRECTORY"])
configure(c, settings_file=directory / "hub.yaml", secrets_directory=directory / "secrets")

hub_port = int(os.environ["HUB_TEST_PORT"])
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{hub_port}"
c.JupyterHub.hub_connect_ip = "127.0.0.1"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(directory / "home-{username}")
c.Spawner.cmd = [sys.executable, str(Path(__file__).with_name("server.py"))]
c.Spawner.default_url = "/"
