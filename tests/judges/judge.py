"""Independent tools judge what the hub publishes.

usage: judge.py PROGRAM [FOLDER]

Starts the demo with PROGRAM, and asks: openapi-spec-validator and schemathesis about the API,
feedparser and atoma about the feeds, extruct and a JSON Schema about the offers' pages, xmllint about
the LinkedIn export and the sitemaps, the standard's own library about webhooks, and a consumer
written from the documentation alone, with only `requests`, about the delta feed (mirror.py, through
the day of day.py). With a FOLDER of npm packages, those of judge.mjs too: ajv, html-validate, the
AsyncAPI parser, a second webhook library, and Chromium.
"""

import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import atoma
import extruct
import feedparser
import jsonschema
import requests
from standardwebhooks import Webhook, WebhookVerificationError

import day
from hub import KEY, Demo, wait

ROOT = pathlib.Path(__file__).resolve().parents[2]


def api(demo):
    text = requests.get(demo.base + "/api/openapi.json", timeout=30).text
    file = os.path.join(demo.folder, "openapi.json")
    with open(file, "w") as out:
        out.write(text)
    tools = pathlib.Path(sys.executable).parent
    subprocess.run([tools / "openapi-spec-validator", file], check=True)
    # Opaque cursors and a radius without its commune are well-formed and refused: that one check
    # cannot know. Everything else holds: no server error, documented answers, schemas.
    common = [tools / "schemathesis", "run", file, "--url", demo.base, "--seed", "1"]
    common += ["--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all"]
    # A stream has no end: day.py reads it.
    public = ["--max-examples", "25", "--exclude-path-regex", "/webhooks|/duplicates|/stream"]
    subprocess.run(common + public, check=True)
    # The administration of webhooks and duplicates, but for what would make the hub call addresses out of the air.
    keyed = ["--max-examples", "15", "--include-path-regex", "/webhooks|/duplicates"]
    keyed += ["--exclude-operation-id", "createWebhook", "--exclude-operation-id", "changeWebhook"]
    subprocess.run(common + keyed + ["-H", "Authorization: Bearer " + KEY], check=True)
    # The judge is awake: with a lie in the description, it says so.
    lie = json.loads(text)
    lie["components"]["schemas"]["Member"]["properties"]["vacancies"] = {"type": "string"}
    with open(file, "w") as out:
        json.dump(lie, out)
    told = subprocess.run(
        common + ["--include-operation-id", "listMembers", "--max-examples", "1"], capture_output=True
    )
    assert told.returncode != 0, "schemathesis sleeps"


def feeds(demo):
    for path in ("atom.xml", "rss.xml"):
        content = requests.get(f"{demo.base}/feeds/{path}", timeout=30).content
        read = feedparser.parse(content)
        assert not read.bozo, (path, read.get("bozo_exception"))
        assert feedparser.parse(content[:-20]).bozo, "feedparser sleeps"
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
        for needed in ("title", "datePosted", "hiringOrganization", "jobLocation"):
            spoiled = {name: value for name, value in found[0].items() if name != needed}
            assert not validator.is_valid(spoiled), f"the schema does not miss {needed}"
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


def schemas(demo):
    """xmllint, on every XSD: what we send is taken, and the same with a fault in it is not."""
    file = os.path.join(demo.folder, "judged.xml")

    def lint(schema, content):
        with open(file, "wb") as out:
            out.write(content)
        told = subprocess.run(
            ["xmllint", "--nonet", "--noout", "--schema", ROOT / "schemas" / schema, file],
            capture_output=True,
            text=True,
        )
        return told.returncode == 0, told.stderr

    member = requests.get(demo.base + "/api/v1/members", timeout=30).json()["items"][0]["id"]
    judged = set()
    for path, schema, fault in (
        ("/exports/linkedin.xml", "linkedin-basic-jobs.xsd", (b"<partnerJobId>", b"<partnerJobID>")),
        ("/sitemap.xml", "sitemap.xsd", (b"<loc>http", b"<loc>ftp")),
        (f"/sitemap.xml?member={member}", "sitemap.xsd", (b"<lastmod>2", b"<lastmod>x2")),
    ):
        content = requests.get(demo.base + path, timeout=60).content
        sound, why = lint(schema, content)
        assert sound, (path, why[:2000])
        assert fault[0] in content, (path, fault)
        assert not lint(schema, content.replace(*fault, 1))[0], f"the judge of {path} sleeps"
        judged.add(schema)
    every = {file.name for file in (ROOT / "schemas").glob("*.xsd")}
    assert every == judged, f"nothing is judged by {every - judged}"


def mirror(demo):
    day.judge(Demo(demo.program, at="2026-11-23T00:00:00Z"))


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
        sent = {name.lower(): value for name, value in headers.items()}
        event = verifier.verify(body, sent)
        try:
            verifier.verify(body + b" ", sent)
        except WebhookVerificationError:
            pass
        else:
            raise AssertionError("the webhook library sleeps")
        assert event["type"].startswith("vacancy."), event
        assert len(body) < 20_000
    server.shutdown()
    demo.secret = made.json()["secret"]
    demo.deliveries = [
        {"headers": {k.lower(): v for k, v in headers.items()}, "body": body.decode()}
        for headers, body in got[:20]
    ]


def closings(demo):
    """What has closed is gone from the feeds, and named as gone in Atom's."""
    listed = requests.get(demo.systems + "/demo", timeout=30).text
    for reference in sorted(set(re.findall(r"2026-1\d{3}", listed)))[:3]:
        requests.post(f"{demo.systems}/demo/close/{reference}?everywhere=true", timeout=30)
    for _ in range(2):
        demo.run("sync", "ghms")
    changes = requests.get(demo.base + "/api/v1/changes?limit=1000", timeout=30).json()["items"]
    demo.gone = [item["id"] for item in changes if item["op"] == "delete" and item["reason"] != "merged"]
    assert len(demo.gone) >= 2, "nothing was closed"
    newest = [f'<at:deleted-entry ref="urn:uuid:{one}"' for one in demo.gone[-2:]]
    atom = demo.base + "/feeds/atom.xml"
    wait("a tombstone", lambda: all(one in requests.get(atom, timeout=30).text for one in newest))
    feeds(demo)


def javascript(demo):
    """The judges of judge.mjs, about what the others have left behind."""
    if len(sys.argv) < 3:
        print("skipped: the JavaScript judges are not installed (node and npm)")
        return
    folder = pathlib.Path(sys.argv[2])
    asyncapi = subprocess.run(
        [demo.program, "schema", "asyncapi"], check=True, capture_output=True, text=True
    )
    case = {
        "base": demo.base,
        "gone": demo.gone[:2],
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
        for judge in (api, feeds, pages, schemas, webhooks, mirror, closings, javascript):
            started = time.monotonic()
            judge(demo)
            print(f"judge {judge.__name__}: sound, {time.monotonic() - started:.1f} s", flush=True)
    finally:
        demo.end()


if __name__ == "__main__":
    main()
