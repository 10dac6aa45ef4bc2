"""Ask URLs five times a second for as long as a file is there, and tell in JSON of every request that failed: poll.py FILE URL..."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import sys
import time
import urllib.request

PAUSE, PATIENCE, LONGEST = 0.2, 5, 1800


def poll(url: str) -> dict:
    """Ask one URL until the file is gone."""
    requests, slowest, failed = 0, 0.0, []
    while file.exists() and time.monotonic() < end:
        begin = time.monotonic()
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                answer.read()
        except OSError as error:
            failed.append(f"{time.strftime('%H:%M:%S')} {error}")
        requests += 1
        slowest = max(slowest, time.monotonic() - begin)
        time.sleep(PAUSE)
    return {"requests": requests, "failed": failed, "slowest": round(slowest, 2)}


file, urls = pathlib.Path(sys.argv[1]), sys.argv[2:]
end = time.monotonic() + LONGEST
with concurrent.futures.ThreadPoolExecutor(max_workers=len(urls)) as pool:
    print(json.dumps(dict(zip(urls, pool.map(poll, urls)))))
