"""Where things lie and what they are called inside the cloud's namespaces."""

from __future__ import annotations

from pathlib import Path

DATA = Path("/var/lib/swarmhub")
CODE = Path("/opt/swarmhub")
ARTIFACTS = Path("/srv/artifacts")
SETTINGS = DATA / "etc"
LOGS = DATA / "logs"
STATUS = DATA / "status.json"
SECRETS = DATA / "secrets.json"
CLEAN_STOP = DATA / "stopped-cleanly"
START_ORDERS = DATA / "start.json"

HOST_NAME = "swarmhub-cloud"
REGION = "RegionOne"
EXTERNAL_NETWORK = "public"
# Projects with one user each, of the same name, and one password per user in secrets.json.
PROJECTS = ("demo", "test")
GUEST_IMAGE = "debian-12"
# What is asked of the cloud's DNS service instead of the machine's own name server.
DNS_ZONE = "zones.rehearsal.test"
