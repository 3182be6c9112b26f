"""Times feed-spine 0.3.0 on candidates that FeedSpine wrote: `cargo xtask bench --peer` runs this in its own environment.

usage: measure.py memory|sqlite|postgres LOCATION PASS=FILE...

A file holds one candidate a line, the feeds one after the other. Candidates are built before the clock starts. Each feed
is run as the package's documentation teaches, by `Pipeline.run` with an adapter for it: look up the key, store, record
the sighting. Each pass prints one line of JSON, and so does what the store holds in the end.
"""

import asyncio
import itertools
import json
import logging
import sys
import time
from datetime import datetime

from feedspine import MemoryStorage, Pipeline, RecordCandidate
from feedspine.models.base import Metadata


class Feed:
    """An adapter that gives what was built before."""

    def __init__(self, name, candidates):
        self.name = name
        self.candidates = candidates

    async def initialize(self):
        pass

    async def close(self):
        pass

    async def fetch(self):
        for candidate in self.candidates:
            yield candidate


def feeds_of(path):
    with open(path, encoding="utf-8") as lines:
        for name, items in itertools.groupby(map(json.loads, lines), key=lambda item: item["feed"]):
            yield Feed(name, [candidate(item) for item in items])


def candidate(item):
    return RecordCandidate(
        natural_key=item["key"],
        published_at=datetime.fromisoformat(item["published"]),
        content=item["content"],
        metadata=Metadata(source=item["feed"]),
    )


def opened(backend, location):
    if backend == "memory":
        return MemoryStorage()
    if backend == "sqlite":
        from feedspine.storage.backends.sqlite import SQLiteStorage

        return SQLiteStorage(location)
    from feedspine.storage.backends.postgres import PostgresStorage

    return PostgresStorage(location, schema="peer")


async def run(pipeline, name, path):
    feeds = list(feeds_of(path))
    told = dict.fromkeys(["processed", "new", "updated", "duplicates", "errors"], 0)
    began = time.perf_counter()
    for feed in feeds:
        stats = await pipeline.run(feed)
        for figure in told:
            told[figure] += getattr(stats, figure)
    return {"pass": name, "seconds": time.perf_counter() - began, **told}


async def held(backend, location, storage, path):
    """Counts the rows of the store's tables; of the memory store, what its own calls give for each key."""
    tables = {"records": "records", "versions": "record_versions", "sightings": "sightings"}
    if backend == "sqlite":
        import sqlite3

        with sqlite3.connect(location) as connection:
            return {what: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for what, table in tables.items()}
    if backend == "postgres":
        import asyncpg

        connection = await asyncpg.connect(location)
        counts = {what: await connection.fetchval(f"SELECT count(*) FROM peer.{table}") for what, table in tables.items()}
        await connection.close()
        return counts
    keys = {candidate.natural_key for feed in feeds_of(path) for candidate in feed.candidates}
    sightings = [len(await storage.get_sightings(key)) for key in keys]
    return {"records": await storage.count(), "versions": 0, "sightings": sum(sightings)}


async def main():
    backend, location, *passes = sys.argv[1:]
    logging.disable(logging.INFO)
    storage = opened(backend, location)
    await storage.initialize()
    pipeline = Pipeline(storage=storage)
    for name, path in (word.split("=", 1) for word in passes):
        print(json.dumps(await run(pipeline, name, path)), flush=True)
    print(json.dumps({"held": await held(backend, location, storage, path)}), flush=True)
    await storage.close()


asyncio.run(main())
