"""Run in the machine: save a notebook of a size as JupyterLab does; print the answer's status and message.

usage: save_notebook.py URL BYTES WAIT_SECONDS
"""

import json
import sys
import time
import urllib.error
import urllib.request

url, size, wait = sys.argv[1:]
cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "x" * int(size)}
notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
body = json.dumps({"type": "notebook", "content": notebook}).encode()
deadline = time.monotonic() + float(wait)
while True:
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="PUT")
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, message = answer.status, ""
        break
    except urllib.error.HTTPError as refusal:
        status, message = refusal.code, json.load(refusal)["message"]
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(1)
print(json.dumps({"status": status, "message": message}))
