"""Ask twice a second for as long as a file is there, and tell what was lost. As a program, it lists nodes: poll.py FILE URL KUBECONFIG.

Each request has a connection of its own, as a new user has; a kubectl for each would measure the machine that starts it.
"""

from __future__ import annotations

import base64
import concurrent.futures
import http.client
import json
import pathlib
import ssl
import sys
import tempfile
import time
import typing as t
import urllib.request

import yaml

PAUSE, PATIENCE, LONGEST = 0.5, 3, 1800

Request = tuple[float, float, bool]


def credentials(kubeconfig: pathlib.Path) -> ssl.SSLContext:
    """Return what the user of a kubeconfig shows, and verifies."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority, certificate, key = (
        base64.b64decode(text).decode()
        for text in (cluster["certificate-authority-data"], user["client-certificate-data"], user["client-key-data"])
    )
    context = ssl.create_default_context(cadata=authority)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(f"{certificate}\n{key}")
        file.flush()
        context.load_cert_chain(file.name)
    return context


def get(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Return whether a request is answered."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE, context=context) as answer:
            return bool(answer.read())
    except (OSError, http.client.HTTPException):
        return False


def timed(ask: t.Callable[[], bool]) -> Request:
    """Return when a request began and ended, and whether it was answered."""
    begin = time.monotonic()
    answered = ask()
    return begin, time.monotonic(), answered


def summary(requests: list[Request]) -> dict:
    """Return how many there were, how many got no answer, and for how long nobody who came got one."""
    outage, longest = None, 0.0
    for begin, _end, answered in sorted(requests):
        if outage is None and not answered:
            outage = begin
        if outage is not None:
            longest = max(longest, begin - outage, 0.0 if answered else PAUSE)
        if answered:
            outage = None
    return {
        "requests": len(requests),
        "failed": sum(not answered for _begin, _end, answered in requests),
        "longest_outage": round(longest, 1),
        "slowest_answer": round(max((end - begin for begin, end, answered in requests if answered), default=0.0), 1),
    }


def poll(file: pathlib.Path, ask: t.Callable[[], bool]) -> dict:
    """Ask until the file is gone; a request that waits keeps none of the others back."""
    requests, end = [], time.monotonic() + LONGEST
    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        while file.exists() and time.monotonic() < end:
            requests.append(pool.submit(timed, ask))
            time.sleep(PAUSE)
    return summary([request.result() for request in requests])


def nodes(url: str, kubeconfig: pathlib.Path) -> t.Callable[[], bool]:
    """Return what lists nodes."""
    context = credentials(kubeconfig)
    return lambda: get(f"{url}/api/v1/nodes", context)


if __name__ == "__main__":
    print(json.dumps(poll(pathlib.Path(sys.argv[1]), nodes(sys.argv[2], pathlib.Path(sys.argv[3])))))
