"""A registry as a site has one: it asks for an account. It listens on the loopback of the machine it runs on.

Docker speaks plain http to a machine's own loopback, so that no certificate is needed.
"""

from __future__ import annotations

IMAGE = "swarmhub/registry:dev"
ADDRESS = "localhost:5555"
DIRECTORY = "/etc/docker/registry"
ACCOUNT, PASSWORD = "robot", "t0ken"
FILES = {
    "config.yml": f"""version: 0.1
storage: {{filesystem: {{rootdirectory: /tmp/registry}}}}
http: {{addr: "127.0.0.1:5555", secret: none}}
auth: {{htpasswd: {{realm: school, path: {DIRECTORY}/accounts}}}}
""",
    # bcrypt of the password, as perl's crypt has it.
    "accounts": f"{ACCOUNT}:$2b$05$abcdefghijklmnopqrstuuHZSItsKchLCIg6XIY9a.LmZgwD7svOG\n",
}


def ask_for_tags(repository: str) -> list[str]:
    """The command that asks it for an image's tags, in JSON."""
    url = f"http://{ADDRESS}/v2/{repository}/tags/list"
    return ["curl", "--silent", "--fail", "--user", f"{ACCOUNT}:{PASSWORD}", url]
