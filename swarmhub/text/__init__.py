"""The plan as text: cloud-init, nginx, exports, units, the hub's YAML. The templates lie in node/."""

from swarmhub.text.closing import closing_files
from swarmhub.text.front_door import (
    CERTIFICATE_DIRECTORY,
    DIRECTORY_CA_PATH,
    ERROR_PAGES_PORT,
    FRONT_DOOR_CONTAINER,
    OwnCertificate,
    front_door_files,
)
from swarmhub.text.hub import HUB_SERVICE, PROXY_SERVICE, START_TIMEOUT_SECONDS, hub_config
from swarmhub.text.machine import cloud_config, existing_machine_files, members_files
from swarmhub.text.registry import REGISTRY_CONTAINER, registry_access_files, registry_config
from swarmhub.text.rendering import NODE_DIRECTORY, PROJECT_DIRECTORY, NodeFile, TextTemplate, render, script
from swarmhub.text.roster import roster_csv, roster_page, roster_table
from swarmhub.text.ssh import jump_options, sharing_options, ssh_options
from swarmhub.text.storage import (
    QUOTA_PROGRAM,
    home_files,
    manager_mount_options,
    shared_export,
    storage_files,
)

__all__ = [
    "CERTIFICATE_DIRECTORY",
    "DIRECTORY_CA_PATH",
    "ERROR_PAGES_PORT",
    "FRONT_DOOR_CONTAINER",
    "HUB_SERVICE",
    "NODE_DIRECTORY",
    "PROJECT_DIRECTORY",
    "PROXY_SERVICE",
    "QUOTA_PROGRAM",
    "REGISTRY_CONTAINER",
    "START_TIMEOUT_SECONDS",
    "NodeFile",
    "OwnCertificate",
    "TextTemplate",
    "closing_files",
    "cloud_config",
    "existing_machine_files",
    "front_door_files",
    "home_files",
    "hub_config",
    "jump_options",
    "manager_mount_options",
    "members_files",
    "registry_access_files",
    "registry_config",
    "render",
    "roster_csv",
    "roster_page",
    "roster_table",
    "script",
    "shared_export",
    "sharing_options",
    "ssh_options",
    "storage_files",
]
