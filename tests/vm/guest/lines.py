"""Run in the machine: write lines one by one, as a log is, and print the seconds; removed afterwards.

usage: lines.py DIRECTORY COUNT
"""

import os
import pathlib
import sys
import time

path, count = pathlib.Path(sys.argv[1]) / "lines", int(sys.argv[2])
os.setgid(1000)
os.setuid(1000)
begin = time.monotonic()
with path.open("w", buffering=1) as file:
    for _ in range(count):
        file.write("x" * 99 + "\n")
seconds = time.monotonic() - begin
path.unlink()
print(seconds)
