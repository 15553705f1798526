"""Tries TCP and UDP ports from where it runs, and prints what each answered.

``TARGETS`` stands before this text: hosts and ports, and "udp" where it is one.
A datagram that is turned away is "refused", one that is taken without a word, or lost, is "silent".
"""

import json
import os
import socket

SECONDS = 4
# Hosts turn away no more than about one packet a second in words.
DATAGRAMS = 6


def connect(host: str, port: int) -> str:
    with socket.create_connection((host, port), timeout=SECONDS):
        return "open"


def send(host: str, port: int) -> str:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.settimeout(1)
        sender.connect((host, port))
        for _ in range(DATAGRAMS):
            sender.send(b"?")
            try:
                sender.recv(1)
            except TimeoutError:
                continue
            return "open"
    return "silent"


def answer(host: str, port: int, protocol: str = "tcp") -> str:
    try:
        return send(host, port) if protocol == "udp" else connect(host, port)
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silent"
    except OSError as error:
        return type(error).__name__ if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)


print(json.dumps({":".join(map(str, each)): answer(*each) for each in TARGETS}))  # type: ignore[name-defined]  # noqa: F821
