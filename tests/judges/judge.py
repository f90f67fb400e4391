"""Independent tools judge what the hub publishes.

usage: judge.py PROGRAM [FOLDER]

Starts the demo with PROGRAM, and asks: openapi-spec-validator and schemathesis about the API,
feedparser and atoma about the feeds, extruct and a JSON Schema about the offers' pages, xmllint about
the LinkedIn export, the standard's own library about webhooks, and a consumer written from the
documentation alone, with only `requests`, about the delta feed. With a FOLDER of npm packages, those
of judge.mjs too: ajv, html-validate, the AsyncAPI parser, a second webhook library, and Chromium.
"""

import json
import os
import pathlib
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import atoma
import extruct
import feedparser
import jsonschema
import requests
from standardwebhooks import Webhook

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "a-key-for-the-judges"
PATIENCE = 120


def wait(what, look):
    """The first true answer of `look`; timing never decides, a hang ends after two minutes."""
    end = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{what} does not come"
        time.sleep(0.05)


class Demo:
    """The program's demo, on a port of its own."""

    def __init__(self, program):
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="judges-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % free.getsockname()[1]
        self.environment = dict(
            os.environ,
            PASSERELLE__SERVER__LISTEN=address,
            PASSERELLE__SERVER__ADMIN_KEY=KEY,
            PASSERELLE__FETCH__ALLOW_HOSTS="127.0.0.1",
        )
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(
            [program, "demo", "--data", os.path.join(self.folder, "data")],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env=self.environment,
        )
        self.base = "http://" + address
        wait("the demo", lambda: "ready http" in self.said())
        self.systems = wait("its second address", lambda: re.search(r"answer on (\S+)", self.said()))
        self.systems = self.systems.group(1)

    def said(self):
        assert self.process.poll() is None, open(self.log.name).read()
        return open(self.log.name).read()

    def sync(self, name):
        settings = os.path.join(self.folder, "data", "passerelle.toml")
        done = subprocess.run(
            [self.program, "--config", settings, "sync", name, "--json"],
            env=self.environment,
            capture_output=True,
            timeout=PATIENCE,
        )
        assert done.returncode in (0, 3), done.stderr

    def end(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def api(demo):
    text = requests.get(demo.base + "/api/openapi.json", timeout=30).text
    file = os.path.join(demo.folder, "openapi.json")
    with open(file, "w") as out:
        out.write(text)
    tools = pathlib.Path(sys.executable).parent
    subprocess.run([tools / "openapi-spec-validator", file], check=True)
    # Opaque cursors and a radius without its commune are well-formed and refused: that one check
    # cannot know. Everything else holds: no server error, documented answers, schemas.
    subprocess.run(
        [tools / "schemathesis", "run", file, "--url", demo.base, "--seed", "1"]
        + ["--max-examples", "25", "--exclude-checks", "positive_data_acceptance"]
        + ["--suppress-health-check", "all", "--exclude-path-regex", "/webhooks"],
        check=True,
    )


def feeds(demo):
    for path in ("atom.xml", "rss.xml"):
        read = feedparser.parse(requests.get(f"{demo.base}/feeds/{path}", timeout=30).content)
        assert not read.bozo, (path, read.get("bozo_exception"))
        assert len(read.entries) > 10, path
        for entry in read.entries:
            assert entry.id and entry.title and entry.link, (path, entry)
    # A second reader, stricter than the first; JSON Feed is its own too.
    for path, read in (
        ("atom.xml", atoma.parse_atom_bytes),
        ("rss.xml", atoma.parse_rss_bytes),
        ("jobs.json", atoma.parse_json_feed_bytes),
    ):
        parsed = read(requests.get(f"{demo.base}/feeds/{path}", timeout=30).content)
        entries = getattr(parsed, "entries", None) or parsed.items
        assert len(entries) > 10, path
    feed = requests.get(demo.base + "/feeds/jobs.json", timeout=30).json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1" and feed["items"]


def pages(demo):
    schema = json.loads((ROOT / "schemas/google-jobposting.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    items = requests.get(demo.base + "/api/v1/vacancies?limit=25", timeout=30).json()["items"]
    assert len(items) == 25
    for item in items:
        answer = requests.get(
            f"{demo.base}/offres/{item['id']}", timeout=30, allow_redirects=False
        )
        page = requests.get(demo.base + answer.headers["location"], timeout=30).text
        found = extruct.extract(page, syntaxes=["json-ld"])["json-ld"]
        assert len(found) == 1 and found[0]["@type"] == "JobPosting", item["id"]
        faults = [fault.message for fault in validator.iter_errors(found[0])]
        assert not faults, (item["id"], faults)
        shared = dict(extruct.extract(page, syntaxes=["opengraph"])["opengraph"][0]["properties"])
        assert shared["og:url"].endswith(answer.headers["location"]), shared
        assert shared["og:title"] and shared["og:description"] and shared["og:image:alt"], shared
        assert (shared["og:image:width"], shared["og:image:height"]) == ("1200", "627"), shared
    card = requests.get(f"{demo.base}/offres/{items[0]['id']}/carte.png", timeout=30)
    assert card.headers["content-type"] == "image/png"
    assert struct.unpack(">II", card.content[16:24]) == (1200, 627)
    assert requests.get(demo.base + "/admin/linkedin", timeout=30).status_code == 401
    asked = f"{demo.base}/api/v1/vacancies/{items[0]['id']}?provenance=true"
    origins = requests.get(asked, timeout=30).json()["provenance"]
    assert "/title" in origins and not any("raw" in origin for origin in origins.values())


def exports(demo):
    file = os.path.join(demo.folder, "linkedin.xml")
    with open(file, "wb") as out:
        out.write(requests.get(demo.base + "/exports/linkedin.xml", timeout=60).content)
    if shutil.which("xmllint") is None:
        print("skipped: xmllint is not installed")
        return
    schema = ROOT / "schemas/linkedin-basic-jobs.xsd"
    subprocess.run(["xmllint", "--nonet", "--noout", "--schema", schema, file], check=True)


class Mirror:
    """A consumer as the documentation describes it: snapshot, then changes, for ever."""

    def __init__(self, base):
        self.base = base
        self.copy = {}
        self.cursor = None

    def step(self, limit=100, cut=False):
        """One request; with `cut` the connection is dropped in the middle of the answer."""
        if self.cursor is None:
            answer = requests.get(self.base + "/api/v1/snapshot", timeout=60)
            answer.raise_for_status()
            lines = answer.content.split(b"\n")[:-1]
            self.copy = {json.loads(line)["id"]: line for line in lines}
            self.cursor = answer.headers["Passerelle-Cursor"]
            return True
        answer = requests.get(
            self.base + "/api/v1/changes",
            params={"cursor": self.cursor, "limit": limit},
            timeout=60,
            stream=True,
        )
        if cut:
            next(answer.iter_content(64), None)
            answer.close()
            return True
        if answer.status_code == 410:
            self.cursor = None
            return True
        answer.raise_for_status()
        page = answer.json()
        for item in page["items"]:
            if item["op"] == "delete":
                self.copy.pop(item["id"], None)
            else:
                self.copy[item["id"]] = json.dumps(
                    item["vacancy"], ensure_ascii=False, separators=(",", ":"), sort_keys=True
                ).encode()
        self.cursor = page["next_cursor"]
        return page["has_more"]


def mirror(demo):
    chance = random.Random(1)
    openings = requests.get(demo.systems + "/demo", timeout=30).text
    references = sorted(set(re.findall(r"2026-1\d{3}", openings)))[:12]
    assert len(references) == 12, openings[:500]
    before = requests.get(demo.base + "/api/v1/snapshot", timeout=60).content
    mirrors = [Mirror(demo.base) for _ in range(3)]
    for turn, reference in enumerate(references):
        verb = ("change", "close", "add")[turn % 3]
        fresh = f"2026-9{turn:03}" if verb == "add" else reference
        requests.post(f"{demo.systems}/demo/{verb}/{fresh}", timeout=30)
        demo.sync("ghms")
        for one in mirrors:
            for _ in range(chance.randrange(4)):
                one.step(limit=chance.choice((1, 3, 100)), cut=chance.random() < 0.4)
    truth = requests.get(demo.base + "/api/v1/snapshot", timeout=60).content
    assert truth != before, "nothing has changed meanwhile"
    for one in mirrors:
        while one.step() or one.cursor is None:
            pass
        own = b"".join(one.copy[id] + b"\n" for id in sorted(one.copy))
        assert own == truth, "a copy differs from the snapshot"


def webhooks(demo):
    got = []

    class Target(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
    cursor = requests.get(demo.base + "/api/v1/changes?limit=1", timeout=30).json()["next_cursor"]
    made = requests.post(
        demo.base + "/api/v1/webhooks",
        json={"url": url, "cursor": cursor},
        headers={"authorization": "Bearer " + KEY},
        timeout=30,
    )
    assert made.status_code == 201, made.text
    wait("the first deliveries", lambda: len(got) > 20)
    verifier = Webhook(made.json()["secret"])
    for headers, body in got[:20]:
        event = verifier.verify(body, {name.lower(): value for name, value in headers.items()})
        assert event["type"].startswith("vacancy."), event
        assert len(body) < 20_000
    server.shutdown()
    demo.secret = made.json()["secret"]
    demo.deliveries = [
        {"headers": {k.lower(): v for k, v in headers.items()}, "body": body.decode()}
        for headers, body in got[:20]
    ]


def javascript(demo):
    """The judges of judge.mjs, about what the others have left behind."""
    if len(sys.argv) < 3:
        print("skipped: the JavaScript judges are not installed (node and npm)")
        return
    folder = pathlib.Path(sys.argv[2])
    changes = requests.get(demo.base + "/api/v1/changes?limit=1000", timeout=30).json()["items"]
    gone = [item["id"] for item in changes if item["op"] == "delete" and item["reason"] != "merged"]
    assert gone, "nothing was closed"
    asyncapi = subprocess.run(
        [demo.program, "schema", "asyncapi"], check=True, capture_output=True, text=True
    )
    case = {
        "base": demo.base,
        "gone": gone[:2],
        "secret": demo.secret,
        "adminKey": KEY,
        "deliveries": demo.deliveries,
        "asyncapi": asyncapi.stdout,
        "jsonFeed": json.loads((ROOT / "schemas/jsonfeed.schema.json").read_text()),
        "chromium": shutil.which("chromium") or shutil.which("chromium-browser"),
    }
    file = pathlib.Path(demo.folder) / "case.json"
    file.write_text(json.dumps(case))
    # Packages are looked for beside the program.
    shutil.copy(ROOT / "tests/judges/judge.mjs", folder)
    subprocess.run(["node", folder / "judge.mjs", file], check=True)


def main():
    demo = Demo(sys.argv[1])
    try:
        for judge in (api, feeds, pages, exports, webhooks, mirror, javascript):
            started = time.monotonic()
            judge(demo)
            print(f"judge {judge.__name__}: sound, {time.monotonic() - started:.1f} s", flush=True)
    finally:
        demo.end()


if __name__ == "__main__":
    main()
