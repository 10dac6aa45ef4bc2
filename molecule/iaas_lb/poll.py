"""List nodes through an endpoint twice a second while a file exists, and print a summary of the requests as JSON: poll.py FILE URL."""

from __future__ import annotations

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from scenario import ContinuousRequests, api_answers  # noqa: E402  it lies in the directory of the scenarios

LONGEST_SECONDS = 1800

file, end = pathlib.Path(sys.argv[1]), time.monotonic() + LONGEST_SECONDS
with ContinuousRequests(lambda: api_answers(sys.argv[2])) as requests:
    while file.exists() and time.monotonic() < end:
        time.sleep(0.1)
print(json.dumps(requests.summary))
