"""Stands for a user's server: answers wherever the hub told it to listen."""

import asyncio
import os
from urllib.parse import urlparse

from tornado.web import Application, RequestHandler


class Answer(RequestHandler):
    def get(self) -> None:
        self.write("a user's server")


async def main() -> None:
    address = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
    Application([(r"/.*", Answer)]).listen(address.port or 80, address.hostname or "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
