"""Run in the machine: write many small files as a user does and print the seconds; removed again afterwards.

usage: small_files.py DIRECTORY COUNT
"""

import os
import pathlib
import shutil
import sys
import time

directory, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
os.setgid(1000)
os.setuid(1000)
begin = time.monotonic()
for number in range(count):
    folder = directory / f"folder{number // 100}"
    if number % 100 == 0:
        folder.mkdir()
    (folder / f"file{number}").write_bytes(b"x" * 4096)
seconds = time.monotonic() - begin
for folder in directory.glob("folder*"):
    shutil.rmtree(folder)
print(seconds)
