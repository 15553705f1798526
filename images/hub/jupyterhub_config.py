"""JupyterHub's configuration file: everything comes from hub.yaml and the secret files."""

from pathlib import Path

from swarmhub_hub.configure import configure

configure(
    get_config(),  # type: ignore[name-defined]  # noqa: F821
    settings_file=Path("/srv/jupyterhub/config/hub.yaml"),
    secrets_directory=Path("/run/secrets"),
)
