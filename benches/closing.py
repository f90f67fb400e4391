"""How long a filled offer lingers: from the commit of its closing to its absence everywhere.

usage: python3 benches/closing.py PROGRAM [CLOSINGS]      (20 by default; needs only `requests`)

Starts the demo with PROGRAM (a release build, for figures), with a drop folder and a webhook, and closes
one offer after another. Each door of the hub is asked again and again by a thread of its own. Printed
is, for each door, how long after the commit a reader could still ask and be shown the offer: median
and worst, in milliseconds. The commit is taken to be when the last look into `/api/v1/changes` began
that did not yet show the closing, so that the figures are rather too large.
"""

import json
import os
import pathlib
import re
import statistics
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/judges"))
from hub import KEY, Demo  # noqa: E402

DOORS = [
    "/api/v1/vacancies?limit=1000",
    "/api/v1/vacancies?facets=true&commune=Vesoul&radius_km=200&limit=1000",
    "/api/v1/snapshot",
    "/feeds/atom.xml?limit=1000",
    "/feeds/rss.xml?limit=1000",
    "/feeds/jobs.json?limit=1000",
    "/sitemap.xml",
    "/structures/{member}",
    "/admin/linkedin?depuis=tout",
    # The index by words, from the API and as a candidate asks.
    "/api/v1/vacancies?q={title}&limit=1000",
    "/?q={title}",
]

# Every board's file, and the one of the member alone where it shows the offer.
PROFILES = sorted((pathlib.Path(__file__).resolve().parents[1] / "connectors/exports").glob("*.toml"))
for profile in PROFILES:
    kind = re.search(r'^format = "(\w+)"', profile.read_text(), re.M)[1]
    DOORS += [f"/exports/{profile.stem}.{kind}", f"/exports/{profile.stem}/{{member}}.{kind}"]

# Between two looks at one door: all of them together must not be the load that is measured.
PAUSE = 0.02

told = {}


class Target(BaseHTTPRequestHandler):
    def do_POST(self):
        at = time.monotonic()
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        told.setdefault((event["data"]["op"], event["data"]["id"]), at)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with tempfile.TemporaryDirectory() as out:
        os.environ["PASSERELLE__PATHS__EXPORTS"] = out
        demo = Demo(os.path.abspath(sys.argv[1]))
        try:
            measure(demo, count, pathlib.Path(out) / "linkedin.xml")
        finally:
            demo.end()


def watch(door, seen, done):
    """Asks `door` (which gives whether the offer is gone) until it is."""
    while True:
        asked = time.monotonic()
        if door():
            break
        time.sleep(PAUSE)
    # Whoever asked later did not see it either.
    seen[done] = asked


def mandate_all(members):
    """Lets every member's offers go to every board, so that every file has something to lose."""
    for member in members.glob("*.toml"):
        text = member.read_text()
        if "[mandates]\n" not in text:
            text += "\n[mandates]\n"
        given = text[text.index("[mandates]"):]
        boards = [p.stem for p in PROFILES if "\nchannel =" not in p.read_text()]
        more = [f"{board} = true\n" for board in boards if not re.search(rf"^{board} =", given, re.M)]
        member.write_text(text.replace("[mandates]\n", "[mandates]\n" + "".join(more)))


def registered(member):
    """Gives a member a LinkedIn feed of its own."""
    member.write_text('own_feeds = ["linkedin"]\n' + member.read_text())


def measure(demo, count, file):
    target = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    made = requests.post(
        demo.base + "/api/v1/webhooks",
        json={"url": f"http://127.0.0.1:{target.server_port}/"},
        headers={"authorization": "Bearer " + KEY},
    )
    made.raise_for_status()
    mandate_all(pathlib.Path(demo.folder) / "data/members")
    while not file.exists() or "<job>" not in requests.get(demo.base + "/exports/indeed.xml").text:
        time.sleep(0.1)
    live = requests.get(demo.base + "/api/v1/vacancies?limit=1000").json()["items"]
    ids = {s["reference"]: v for v in live for s in v["sources"] if s["connector"] == "ghms"}
    chosen = [reference for reference in sorted(ids) if re.fullmatch(r"2026-1\d{3}", reference)][:count]
    assert len(chosen) == count, f"only {len(chosen)} offers can be closed"
    delays = {}
    for number, reference in enumerate(chosen):
        if number == count - max(count // 4, 1):
            # LinkedIn takes an offer in one feed only: the last closings are seen in the member's.
            member = ids[reference]["member"]
            registered(pathlib.Path(demo.folder) / "data/members" / f"{member}.toml")
            own = f"{demo.base}/exports/linkedin/{member}.xml"
            while "<job>" not in requests.get(own).text:
                time.sleep(0.1)
        for door, delay in close(demo, reference, ids[reference], file).items():
            delays.setdefault(door, []).append(delay * 1000)
    print(f"{count} closings; milliseconds behind the commit")
    print(f"{'median':>8} {'worst':>8} {'times':>6}")
    for door, all_ in delays.items():
        print(f"{statistics.median(all_):8.0f} {max(all_):8.0f} {len(all_):6}  {door}")
    for door in DOORS:
        if door not in delays:
            print(f"never showed one of these offers, so that nothing is known of it: {door}")


def close(demo, reference, vacancy, file):
    """Closes one offer; gives the delay of each door that showed it, in seconds."""
    id, session = vacancy["id"], requests.Session()
    names = {"member": vacancy["member"], "title": quote(vacancy["title"])}
    # The administration's pages are for who has the key.
    key = {"authorization": "Bearer " + KEY}
    get = lambda path: requests.get(
        demo.base + path, allow_redirects=False, headers=key if path.startswith("/admin") else {}
    )
    # A tombstone names the offer too.
    lacks = lambda path: id not in get(path).text.replace(f'ref="urn:uuid:{id}"', "")
    doors = {path: (lambda path=path.format(**names): lacks(path)) for path in DOORS}
    doors["/offres/ID: 410"] = lambda: get("/offres/" + id).status_code == 410
    doors["/api/v1/vacancies/ID: 410"] = lambda: get("/api/v1/vacancies/" + id).status_code == 410
    doors["drop folder, linkedin.xml"] = lambda: id not in file.read_text()
    # A door that does not show the offer proves nothing.
    doors = {name: look for name, look in doors.items() if not look()}
    cursor = get("/api/v1/snapshot").headers["Passerelle-Cursor"]
    requests.post(f"{demo.systems}/demo/close/{reference}?everywhere=true").raise_for_status()
    seen = {}
    # One absence proves nothing; the second closes. The command's own start is not measured.
    demo.run("sync", "ghms")
    threads = [threading.Thread(target=watch, args=(look, seen, name)) for name, look in doors.items()]
    for thread in threads:
        thread.start()
    threads.append(threading.Thread(target=lambda: demo.run("sync", "ghms")))
    threads[-1].start()
    committed, gone = time.monotonic(), False
    while not gone:
        asked = time.monotonic()
        page = session.get(demo.base + "/api/v1/changes", params={"cursor": cursor, "limit": 1000}).json()
        gone = any(item["op"] == "delete" and item["id"] == id for item in page["items"])
        if not gone:
            committed = asked
            time.sleep(PAUSE / 4)
    for thread in threads:
        thread.join()
    while ("delete", id) not in told:
        time.sleep(0.002)
    seen["webhook, first attempt"] = told["delete", id]
    return {door: max(at - committed, 0) for door, at in seen.items()}


if __name__ == "__main__":
    main()
