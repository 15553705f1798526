"""Stands for a user's server: answers wherever the hub told it to listen, for as long as that hub runs."""

import asyncio
import os
from urllib.parse import urlparse

from tornado.web import Application, RequestHandler

LOOK_SECONDS = 0.2


class Answer(RequestHandler):
    def get(self) -> None:
        self.write("a user's server")


async def main() -> None:
    hub = os.getppid()
    address = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
    Application([(r"/.*", Answer)]).listen(address.port or 80, address.hostname or "127.0.0.1")
    # A hub leaves its servers running when it ends; nobody would end those of a test.
    while os.getppid() == hub:
        await asyncio.sleep(LOOK_SECONDS)


asyncio.run(main())
