"""Request URLs five times a second while a file exists, and print every failed request as JSON: poll.py FILE URL..."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import sys
import time
import urllib.request

PAUSE_SECONDS, TIMEOUT_SECONDS, LONGEST_SECONDS = 0.2, 5, 1800


def poll(url: str) -> dict:
    """Request one URL until the file is gone."""
    requests, slowest, failed = 0, 0.0, []
    while file.exists() and time.monotonic() < end:
        begin = time.monotonic()
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
                answer.read()
        except OSError as error:
            failed.append(f"{time.strftime('%H:%M:%S')} {error}")
        requests += 1
        slowest = max(slowest, time.monotonic() - begin)
        time.sleep(PAUSE_SECONDS)
    return {"requests": requests, "failed": failed, "slowest": round(slowest, 2)}


file, urls = pathlib.Path(sys.argv[1]), sys.argv[2:]
end = time.monotonic() + LONGEST_SECONDS
with concurrent.futures.ThreadPoolExecutor(max_workers=len(urls)) as pool:
    print(json.dumps(dict(zip(urls, pool.map(poll, urls)))))
