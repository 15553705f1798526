"""Stack configuration to settings: every key, its default, its rule, and all problems reported together.

A section of the stack file is a mapping (``swarmhub:site: {...}``) and becomes one frozen dataclass, in a
module of its own. What a key means lives in one place, beside its field; the reference documentation and the
messages come from there.
"""

from swarmhub.settings.domain import check_domain, check_zone
from swarmhub.settings.environments import Environment
from swarmhub.settings.hub import (
    ADMIN_PASSWORD_MIN_CHARACTERS,
    USER_PASSWORD_MIN_CHARACTERS,
    Hub,
    Images,
    Limits,
)
from swarmhub.settings.keys import (
    ADDRESS_PLACEHOLDER,
    BARE_ADDRESS,
    INSTANCE_PLACEHOLDER,
    LONGEST_ADDRESS,
    PROJECT_PLACEHOLDER,
    ChangeEffect,
    Key,
    keys_of,
)
from swarmhub.settings.login import Login, LoginKind, callback_url
from swarmhub.settings.machines import MAX_WORKERS, Host, Hosts, Machines, Reinstall, Workers
from swarmhub.settings.provision import has_hosts, homes_have_sizes
from swarmhub.settings.reading import Settings, read_settings
from swarmhub.settings.site import BootVolume, Price, PublicAddress, Site, SiteKind
from swarmhub.settings.storage import SERVED, QuotaOverrides, Storage, StorageKind
from swarmhub.settings.tls import DIRECTORY_URLS, Issuer, Tls
from swarmhub.settings.workshop import Workshop

__all__ = [
    "ADDRESS_PLACEHOLDER",
    "ADMIN_PASSWORD_MIN_CHARACTERS",
    "BARE_ADDRESS",
    "DIRECTORY_URLS",
    "INSTANCE_PLACEHOLDER",
    "LONGEST_ADDRESS",
    "MAX_WORKERS",
    "PROJECT_PLACEHOLDER",
    "SERVED",
    "USER_PASSWORD_MIN_CHARACTERS",
    "BootVolume",
    "ChangeEffect",
    "Environment",
    "Host",
    "Hosts",
    "Hub",
    "Images",
    "Issuer",
    "Key",
    "Limits",
    "Login",
    "LoginKind",
    "Machines",
    "Price",
    "PublicAddress",
    "QuotaOverrides",
    "Reinstall",
    "Settings",
    "Site",
    "SiteKind",
    "Storage",
    "StorageKind",
    "Tls",
    "Workers",
    "Workshop",
    "callback_url",
    "check_domain",
    "check_zone",
    "has_hosts",
    "homes_have_sizes",
    "keys_of",
    "read_settings",
]
