"""Run in the machine: print the seconds that a command takes, as a whole process.

usage: timed.py COMMAND [ARGUMENT...]
"""

import subprocess
import sys
import time

begin = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
print(time.monotonic() - begin)
