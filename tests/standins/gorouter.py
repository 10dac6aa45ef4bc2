# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for gorouter's table of routes, on a real NATS. It needs nats-py.

    python3 gorouter.py --config FILE.json

{"nats": {"servers": ["tls://10.0.0.5:4224"], "user": …, "password": …, "ca_file": …, "certificate_file": …, "key_file": …},
 "status": {"listen": "127.0.0.1:8082", "user": "router-status", "password": …},
 "interval_seconds": 20, "stale_seconds": 120, "prune_seconds": 30,
 "sharding_mode": "all", "isolation_segments": []}         all, segments or shared-and-segments

Like gorouter, it publishes router.start when it starts and when it reconnects to NATS, answers router.greet, registers and unregisters endpoints,
removes endpoints without TLS that were not registered again for stale_seconds, and ignores invalid messages. All requests need basic authentication:
GET /routes returns the table, GET /counts the numbers of endpoints and of messages, and GET /forget empties the table, for tests.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import collections
import json
import pathlib
import ssl
import time
import typing as t
import uuid

import nats


class Endpoint:
    """A backend of a route, and the time of its last registration."""

    def __init__(self, message: dict[str, t.Any], stale: int) -> None:
        self.message, self.seen = message, time.monotonic()
        asked = message.get("stale_threshold_in_seconds") or stale
        self.ttl = min(asked, stale)

    def shown(self, address: str) -> dict[str, t.Any]:
        message = self.message
        return {
            "address": address,
            "availability_zone": message.get("availability_zone", ""),
            "protocol": message.get("protocol") or "http1",
            "tls": bool(message.get("tls_port")),
            "ttl": self.ttl,
            "tags": message.get("tags"),
            "private_instance_id": message.get("private_instance_id", ""),
            **({"isolation_segment": message["isolation_segment"]} if message.get("isolation_segment") else {}),
            **({"server_cert_domain_san": message["server_cert_domain_san"]} if message.get("server_cert_domain_san") else {}),
        }


def address(message: dict[str, t.Any]) -> str:
    return f"{message['host']}:{message.get('tls_port') or message.get('port', 0)}"


def uri(text: str) -> str:
    return text.lower().partition("?")[0].rstrip("/")


class Routes:
    """The table: endpoints by URI and address."""

    def __init__(self, config: dict[str, t.Any]) -> None:
        self.stale = config.get("stale_seconds", 120)
        self.sharding, self.segments = config.get("sharding_mode", "all"), config.get("isolation_segments", [])
        self.table: dict[str, dict[str, Endpoint]] = collections.defaultdict(dict)
        self.counts: collections.Counter[str] = collections.Counter()

    def hear(self, subject: str, data: bytes) -> None:
        self.counts[subject] += 1
        try:
            message = json.loads(data)
            check(message)
        except (ValueError, TypeError, KeyError) as error:
            if subject in ("router.register", "router.unregister"):
                self.counts["validation-error"] += 1
                print("validation-error", error, data[:300], flush=True)
            return
        if not self.serves(message.get("isolation_segment") or ""):
            return
        if subject == "router.register":
            endpoint = Endpoint(message, self.stale)
            for name in map(uri, message["uris"]):
                self.table[name][address(message)] = endpoint
        elif subject == "router.unregister":
            for name in map(uri, message["uris"]):
                if self.table[name].pop(address(message), None) is None:
                    self.counts["endpoint-not-unregistered"] += 1
                if not self.table[name]:
                    del self.table[name]

    def serves(self, segment: str) -> bool:
        """Return whether this gorouter takes messages of a segment. Those without one are shared."""
        return self.sharding == "all" or segment in self.segments or (not segment and self.sharding == "shared-and-segments")

    def prune(self) -> None:
        now = time.monotonic()
        for name, endpoints in list(self.table.items()):
            for where, endpoint in list(endpoints.items()):
                if not endpoint.message.get("tls_port") and now - endpoint.seen > endpoint.ttl:
                    del endpoints[where]
            if not endpoints:
                del self.table[name]

    def counted(self) -> dict[str, int]:
        return {**self.counts, "endpoints": sum(map(len, self.table.values()))}

    def forget(self) -> None:
        self.table.clear()

    def shown(self) -> dict[str, t.Any]:
        return {name: [endpoint.shown(where) for where, endpoint in endpoints.items()] for name, endpoints in self.table.items()}


def check(message: dict[str, t.Any]) -> None:
    """Refuse a message that Go could not decode into its structure."""
    kinds = {
        "host": str,
        "port": int,
        "tls_port": int,
        "uris": list,
        "private_instance_id": str,
        "private_instance_index": str,
        "tags": (dict, type(None)),
        "isolation_segment": str,
    }
    for key, kind in kinds.items():
        if key in message and not isinstance(message[key], kind):
            raise TypeError(f"{key}: {message[key]!r}")
    if not all(isinstance(value, str) for value in (message.get("tags") or {}).values()):
        raise TypeError(f"tags: {message['tags']!r}")
    for key in ("port", "tls_port"):
        if not 0 <= message.get(key, 0) < 65536:
            raise ValueError(f"{key}: {message[key]}")
    if message.get("route_service_url") and not message["route_service_url"].startswith("https"):
        raise ValueError("route_service_url must be https")


class Gorouter:
    """The process."""

    def __init__(self, config: dict[str, t.Any]) -> None:
        self.config = config
        self.routes = Routes(config)
        self.greeting = {
            "id": f"0-{uuid.uuid4()}",
            "hosts": ["127.0.0.1"],
            "minimumRegisterIntervalInSeconds": config.get("interval_seconds", 20),
            "pruneThresholdInSeconds": self.routes.stale,
        }
        self.client = nats.aio.client.Client()

    async def run(self) -> None:
        bus = self.config["nats"]
        tls = ssl.create_default_context(cafile=bus["ca_file"])
        tls.load_cert_chain(bus["certificate_file"], bus["key_file"])
        await self.serve()
        await self.client.connect(
            bus["servers"],
            user=bus["user"],
            password=bus["password"],
            tls=tls,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            ping_interval=20,
            reconnected_cb=self.start,
        )
        # In this order: an answer that comes at once is lost.
        await self.start()
        await self.client.subscribe("router.*", cb=self.on_message)
        await self.client.subscribe("router.greet", cb=self.on_greet)
        while True:
            await asyncio.sleep(self.config.get("prune_seconds", 30))
            self.routes.prune()

    async def start(self) -> None:
        await self.client.publish("router.start", json.dumps(self.greeting).encode())

    async def on_message(self, message: t.Any) -> None:
        self.routes.hear(message.subject, message.data)

    async def on_greet(self, message: t.Any) -> None:
        if message.reply:
            await self.client.publish(message.reply, json.dumps(self.greeting).encode())

    async def serve(self) -> None:
        status = self.config["status"]
        host, _colon, port = status["listen"].rpartition(":")
        wanted = base64.b64encode(f"{status['user']}:{status['password']}".encode()).decode()

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            answers = {"/routes": self.routes.shown, "/counts": self.routes.counted, "/forget": self.routes.forget}
            if f"authorization: basic {wanted}".lower() not in head.lower():
                line, body = "401 Unauthorized", b""
            elif path not in answers:
                line, body = "404 Not Found", b""
            else:
                line, body = "200 OK", json.dumps(answers[path]()).encode()
            writer.write(f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
            writer.close()

        await asyncio.start_server(on_connection, host, int(port))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, type=pathlib.Path)
    asyncio.run(Gorouter(json.loads(parser.parse_args().config.read_text())).run())


if __name__ == "__main__":
    main()
