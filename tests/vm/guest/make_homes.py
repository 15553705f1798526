"""Run in the machine: make homes at once as the hub does, and time each until `df` shows its quota.

usage: make_homes.py HOMES PREFIX COUNT LIMIT_BYTES WAIT_SECONDS
"""

import json
import os
import pathlib
import sys
import time

homes, prefix, count, limit, wait = sys.argv[1:]
made = {}
for number in range(int(count)):
    home = pathlib.Path(homes, f"{prefix}{number}")
    home.mkdir(mode=0o700)
    made[home] = time.monotonic()
    os.chown(home, 1000, 1000)
last = time.monotonic()
seconds: dict[pathlib.Path, float] = {}
while made.keys() - seconds.keys() and time.monotonic() < last + float(wait):
    for home in made.keys() - seconds.keys():
        shown = os.statvfs(home)
        if shown.f_blocks * shown.f_frsize == int(limit):
            seconds[home] = time.monotonic() - made[home]
    time.sleep(0.02)
print(json.dumps({"limited": len(seconds), "slowest_seconds": max(seconds.values(), default=None)}))
