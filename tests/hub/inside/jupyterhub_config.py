"""The hub's own configuration, then what differs where servers are processes of this machine."""

import os
import sys
from pathlib import Path

from jupyterhub.spawner import SimpleLocalProcessSpawner
from swarmhub_hub.configure import configure
from traitlets import Unicode

c = get_config()  # type: ignore[name-defined]  # noqa: F821
directory = Path(os.environ["HUB_TEST_DIRECTORY"])
configure(c, settings_file=directory / "hub.yaml", secrets_directory=directory / "secrets")

hub_port = int(os.environ["HUB_TEST_PORT"])
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{hub_port}"
c.JupyterHub.hub_connect_ip = "127.0.0.1"
# Here they are processes of this machine, and nothing else would end them.
c.JupyterHub.cleanup_servers = True


class LocalSpawner(SimpleLocalProcessSpawner):
    """A process of this machine that has the traits of a container, and says what they are."""

    image = Unicode(config=True)

    async def start(self):
        self.log.info(
            "%s gets %s with %s bytes, %s of them promised, and %s CPUs; it opens %s",
            self.user.name,
            self.image,
            self.mem_limit,
            self.mem_guarantee,
            self.cpu_limit,
            self.default_url,
        )
        return await super().start()


c.JupyterHub.spawner_class = LocalSpawner
c.LocalSpawner.image = c.SwarmHubSpawner.image
c.SimpleLocalProcessSpawner.home_dir_template = str(directory / "home-{username}")
c.Spawner.cmd = [sys.executable, str(Path(__file__).with_name("server.py"))]
