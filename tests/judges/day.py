"""A day in the life of a hub whose consumers are cut off and killed: usage `day.judge(demo)`."""

import collections
import json
import os
import pathlib
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time

import requests

import mirror
from hub import PATIENCE, wait

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Storm:
    """A way to the hub on which connections end in the middle of an answer, politely or not."""

    def __init__(self, base, chance):
        host, port = base.removeprefix("http://").split(":")
        self.hub = host, int(port)
        self.chance = chance
        self.rough = True
        self.cuts = 0
        self.door = socket.create_server(("127.0.0.1", 0))
        self.base = "http://127.0.0.1:%d" % self.door.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            near, _ = self.door.accept()
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        try:
            far = socket.create_connection(self.hub, 30)
        except OSError:
            near.close()
            return
        threading.Thread(target=self.requests, args=(near, far), daemon=True).start()
        # Some answers get through whole, most of them do not.
        room = None
        if self.rough and self.chance.random() < 0.6:
            room = int(10 ** self.chance.uniform(0, 5.5))
        try:
            while data := far.recv(65536):
                if room is not None and len(data) >= room:
                    near.sendall(data[:room])
                    self.cuts += 1
                    if self.chance.random() < 0.5:
                        # Not even a goodbye.
                        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                room = room and room - len(data)
                near.sendall(data)
        except OSError:
            pass
        finally:
            # Whoever still reads from either end wakes up.
            for end, how in ((far, socket.SHUT_RDWR), (near, socket.SHUT_RD)):
                try:
                    end.shutdown(how)
                except OSError:
                    pass
            far.close()
            near.close()

    @staticmethod
    def requests(near, far):
        try:
            while data := near.recv(65536):
                far.sendall(data)
        except OSError:
            pass


class Consumer:
    """mirror.py as a process of its own, killed now and then; its copy stays on disk."""

    def __init__(self, demo, way, base):
        self.way, self.base = way, base
        self.folder = os.path.join(demo.folder, "copy-" + way)
        self.process = None

    def start(self):
        program = [sys.executable, ROOT / "tests/judges/mirror.py", self.base, self.folder, self.way]
        self.process = subprocess.Popen(program)

    def alive(self):
        """It never ends by itself, whatever it met."""
        assert self.process.poll() is None, "the consumer has ended"

    def kill(self):
        self.alive()
        self.process.kill()
        self.process.wait()

    def look(self):
        copy = mirror.Copy(self.folder)
        found = copy.lines(), int(copy.state("snapshots") or 0)
        copy.base.close()
        return found


def judge(demo):
    """A day: offers come, change, close, come back, are merged, told apart, hidden, erased; the hub
    restarts and forgets its tombstones; consumers are cut off and killed all the time."""
    chance = random.Random(7)
    storm = Storm(demo.base, chance)
    consumers = [Consumer(demo, way, storm.base) for way in ("changes", "stream")]
    done = collections.Counter()
    try:
        for consumer in consumers:
            consumer.start()
        live_through(demo, consumers, chance, done)
        storm.rough = False
        truth = requests.get(demo.base + "/api/v1/snapshot", timeout=60).content
        for consumer in consumers:
            end = time.monotonic() + PATIENCE
            while consumer.look()[0] != truth:
                consumer.alive()
                assert time.monotonic() < end, f"the copy by {consumer.way} differs from the snapshot"
                time.sleep(0.1)
            # The first, and one after the tombstones were gone.
            assert consumer.look()[1] >= 2, f"410 was never met by {consumer.way}"
        for verb in ("add", "change", "close", "reopen", "hide", "erase", "same", "different", "kill", "restart"):
            assert done[verb], (verb, done)
        assert storm.cuts > 20, storm.cuts
        print(f"  {dict(done)}, {storm.cuts} answers cut, {truth.count(10)} offers in the end")
    finally:
        for consumer in consumers:
            consumer.process.kill()
        demo.end()


def live_through(demo, consumers, chance, done):
    def live():
        text = requests.get(demo.base + "/api/v1/vacancies?limit=1000&fields=title", timeout=60).text
        return [item["id"] for item in json.loads(text)["items"]]

    def post(verb, reference, query=""):
        answer = requests.post(f"{demo.systems}/demo/{verb}/{reference}{query}", timeout=30)
        assert answer.ok, (verb, reference, answer.text)
        done[verb] += 1
        return answer.json()["reference"]

    listed = requests.get(demo.systems + "/demo", timeout=30).text
    rows = [line.split() for line in listed.splitlines() if re.match(r"\S+ +(open|closed) ", line)]
    open_ = [row[0] for row in rows if "ghms" in row[2:4] or row[0].startswith("2026-1")]
    assert len(open_) > 10, listed
    closed, merged = [], []
    for hour in range(24):
        demo.clock(f"2026-11-23T{hour:02}:30:00Z")
        for _ in range(chance.randrange(2, 6)):
            verb = chance.choice(("add", "change", "change", "close", "close", "reopen"))
            verb = "close" if hour == 14 else verb
            if verb == "add":
                open_.append(post("add", chance.choice(open_)))
            elif verb == "change":
                post("change", chance.choice(open_), f"?title=Infirmier%20{hour}%20F/H" if hour % 2 else "")
            elif verb == "close" and len(open_) > 5:
                closed.append(open_.pop(chance.randrange(len(open_))))
                post("close", closed[-1], "?everywhere=true")
            elif verb == "reopen" and closed:
                open_.append(closed.pop(chance.randrange(len(closed))))
                post("reopen", open_[-1])
        if hour % 6 == 1:
            demo.run("hide", chance.choice(live()), "--why", "by mistake")
            done["hide"] += 1
        if hour % 6 == 2:
            demo.run("erase", chance.choice(live()), "--why", "a person asked")
            done["erase"] += 1
        if hour % 6 == 3:
            merged.append(chance.sample(live(), 2))
            demo.run("duplicates", "same", *merged[-1], "--why", "one opening")
            done["same"] += 1
        if hour % 12 == 10 and merged:
            demo.run("duplicates", "different", *merged.pop(), "--why", "two after all")
            done["different"] += 1
        demo.run("sync", "--json")
        if hour == 13:
            for consumer in consumers:
                consumer.kill()
            last = requests.get(demo.base + "/api/v1/snapshot", timeout=60).headers["Passerelle-Cursor"]
        elif hour in (14, 15):
            # Nobody reads, and the hub closes what it will have forgotten when they come back.
            pass
        elif hour == 16:
            demo.restart(PASSERELLE__RETENTION__CLOSED_DAYS="0")
            done["restart"] += 1
            changes = f"{demo.base}/api/v1/changes?cursor={last}"
            wait("the hub to forget", lambda: requests.get(changes, timeout=60).status_code == 410)
            for consumer in consumers:
                consumer.start()
        else:
            for consumer in consumers:
                consumer.alive()
                if chance.random() < 0.4:
                    consumer.kill()
                    done["kill"] += 1
                    consumer.start()
