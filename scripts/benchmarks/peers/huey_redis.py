"""Huey with Redis."""

from __future__ import annotations

from huey import RedisHuey
from redis import ConnectionPool, UnixDomainSocketConnection

from scripts.benchmarks.peer import REDIS
from scripts.benchmarks.peers.huey_base import HueyPeer

huey = RedisHuey("bench", connection_pool=ConnectionPool(UnixDomainSocketConnection, path=REDIS))
PEER = HueyPeer(huey, "huey_redis", "none: in Redis' memory", "two processes, no periodic tasks; results in Redis")
