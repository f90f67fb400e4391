// Judges that are written in JavaScript, asked by judge.py: usage `node judge.mjs CASE.json`.
//
// ajv about the JSON Feed and problems, html-validate about every page template, the standard's own
// library about webhooks, the AsyncAPI project's parser about our document, and Chromium about the
// widget on a foreign page under a strict policy.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import assert from "node:assert/strict";
import { Parser } from "@asyncapi/parser";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { HtmlValidate } from "html-validate";
import puppeteer from "puppeteer-core";
import { Webhook } from "standardwebhooks";

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const at = (path) => new URL(path, given.base).href;

// RFC 9457, section 3.1: the members that a problem must have as described if it has them.
const PROBLEM = {
  type: "object",
  required: ["type", "title", "status"],
  properties: {
    type: { type: "string", format: "uri-reference" },
    title: { type: "string" },
    status: { type: "integer", minimum: 400, maximum: 599 },
    detail: { type: "string" },
    instance: { type: "string", format: "uri-reference" },
  },
};

async function schemas() {
  const ajv = addFormats(new Ajv2020({ allErrors: true, strict: false }));
  const sound = (schema, value, what) => {
    const check = ajv.compile(schema);
    assert(check(value), `${what}: ${ajv.errorsText(check.errors)}`);
  };
  const feed = await (await fetch(at("/feeds/jobs.json"))).json();
  assert(feed.items.length > 10);
  sound(given.jsonFeed, feed, "JSON Feed");
  const spoiled = structuredClone(feed);
  delete spoiled.items[0].id;
  assert.throws(() => sound(given.jsonFeed, spoiled, "spoiled"));
  for (const [path, status] of [
    ["/api/v1/vacancies?limit=0&colour=red", 400],
    ["/api/v1/vacancies?cursor=AAAA", 400],
    ["/api/v1/vacancies/00000000-0000-4000-8000-000000000000", 404],
    ["/api/v1/nothing", 404],
    ["/exports/nothing.xml", 404],
    ["/api/v1/webhooks", 401],
  ]) {
    const answer = await fetch(at(path));
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers.get("content-type"), "application/problem+json", path);
    const problem = await answer.json();
    assert.equal(problem.status, status);
    sound(PROBLEM, problem, path);
  }
}

// A page of every template, and what it must answer.
async function pages() {
  const items = (await (await fetch(at("/api/v1/vacancies?limit=3"))).json()).items;
  const members = (await (await fetch(at("/api/v1/members"))).json()).items;
  const paths = [
    ["/", 200],
    ["/?q=infirmier&lieu=Vesoul&rayon=30&tri=distance", 200],
    ["/?q=astronaute", 200],
    ...items.map((item) => [`/offres/${item.id}`, 200]),
    ["/structures", 200],
    [`/structures/${members[0].id}`, 200],
    ["/accessibilite", 200],
    ["/a-propos", 200],
    ["/api/", 200],
    ["/admin/linkedin?depuis=tout", 200],
    ["/nulle-part", 404],
    ...given.gone.map((id) => [`/offres/${id}`, 410]),
  ];
  const html = new HtmlValidate({
    extends: ["html-validate:standard", "html-validate:a11y"],
    rules: {
      // A list may have a name.
      "aria-label-misuse": ["error", { allowAnyNamable: true }],
      // "Vesoul (70)" may break where it likes, and the template engine may leave blanks.
      "no-trailing-whitespace": "off",
      "long-title": "off",
    },
  });
  const headers = { authorization: "Bearer " + given.adminKey };
  for (const [path, status] of paths) {
    const answer = await fetch(at(path), { headers: path.startsWith("/admin/") ? headers : {} });
    assert.equal(answer.status, status, path);
    const report = await html.validateString(await answer.text(), path);
    const faults = report.results.flatMap((r) => r.messages.filter((m) => m.severity === 2));
    const say = faults.map((m) => `${path}:${m.line}:${m.column} ${m.ruleId}: ${m.message}`);
    assert.equal(faults.length, 0, "\n" + say.slice(0, 10).join("\n"));
  }
  const report = await html.validateString("<!doctype html><html><body><p><div></p></body></html>");
  assert(!report.valid, "the judge sleeps");
}

function webhooks() {
  const verifier = new Webhook(given.secret);
  assert(given.deliveries.length >= 20);
  for (const { headers, body } of given.deliveries) {
    assert(verifier.verify(body, headers).type.startsWith("vacancy."));
    assert.throws(() => verifier.verify(body + " ", headers));
  }
}

async function asyncapi() {
  const { document, diagnostics } = await new Parser().parse(given.asyncapi);
  const faults = diagnostics.filter((d) => d.severity === 0).map((d) => `${d.path.join("/")}: ${d.message}`);
  assert(document && faults.length === 0, "\n" + faults.join("\n"));
  const spoiled = given.asyncapi.replace('"send"', '"shout"');
  assert(spoiled !== given.asyncapi);
  const told = await new Parser().parse(spoiled);
  assert(told.diagnostics.some((d) => d.severity === 0), "the AsyncAPI parser sleeps");
}

// Another site's page: nothing may run or load but what it names, and no style in the page.
async function widget() {
  if (!given.chromium) {
    console.log("skipped: no Chromium for the widget");
    return;
  }
  const script = await (await fetch(at("/widget.js"))).text();
  assert(Buffer.byteLength(script) < 15_000, "the widget has grown");
  // The file that never changes, as the page for webmasters gives it.
  const about = await (await fetch(at("/a-propos"))).text();
  const [, file, integrity] = about.match(/(\/assets\/widget-[0-9a-f]+\.js)" integrity="([^"]+)"/);
  assert.equal(integrity, "sha384-" + createHash("sha384").update(script).digest("base64"));
  const kept = await fetch(at(file));
  assert(kept.headers.get("cache-control").includes("immutable"));
  assert.equal(kept.headers.get("access-control-allow-origin"), "*");
  const policy = `default-src 'none'; script-src ${given.base}; connect-src ${given.base}; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'`;
  const site = createServer((request, answer) => {
    answer.writeHead(request.url === "/" ? 200 : 404, {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy,
    });
    answer.end(`<!doctype html><html lang="fr"><head><title>Une CPTS</title>
      <script src="${at(file)}" integrity="${integrity}" crossorigin="anonymous"></script></head>
      <body><h2>Nos offres</h2><offres-liste src="${given.base}" limit="4" filtres="contract=cdi">
      <a href="${given.base}">Toutes les offres</a></offres-liste>
      <offres-liste id="dead" src="${given.base}/nowhere"><a href="/">De secours</a></offres-liste></body></html>`);
  });
  await new Promise((ready) => site.listen(0, "127.0.0.1", ready));
  const browser = await puppeteer.launch({
    executablePath: given.chromium,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  try {
    const page = await browser.newPage();
    const complaints = [];
    page.on("console", (m) => /Content Security|Refused/.test(m.text()) && complaints.push(m.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    const links = () =>
      page.evaluate(() => [...document.querySelector("offres-liste").shadowRoot.querySelectorAll("a")].map((a) => a.href));
    await page.waitForFunction(() => document.querySelector("offres-liste").shadowRoot.querySelectorAll("li").length === 4);
    const first = await links();
    assert(first.every((href) => href.startsWith(at("/offres/"))), first.join());
    const total = (await (await fetch(at("/api/v1/vacancies?contract=cdi&limit=1"))).json()).total;
    await page.evaluate(() => {
      window.spoken = document.querySelector("offres-liste").shadowRoot.querySelector("[role=status]");
      document.addEventListener("offres", (event) => (window.told = event.detail.total));
    });
    const said = await page.evaluate(() => document.querySelector("offres-liste").shadowRoot.querySelector("[role=status]").textContent);
    assert(said.replace(/\D/g, "") === String(total), said);
    await page.evaluate(() => document.querySelector("offres-liste").shadowRoot.querySelector("nav button").click());
    await page.waitForFunction((old) => {
      const link = document.querySelector("offres-liste").shadowRoot.querySelector("a");
      return link && link.href !== old;
    }, {}, first[0]);
    assert(!(await links()).includes(first[0]));
    // Readers are told by the element that they know, the keyboard stands on it, the page may listen.
    assert(await page.evaluate(() => {
      const root = document.querySelector("offres-liste").shadowRoot;
      return root.querySelector("[role=status]") === window.spoken && root.activeElement === window.spoken;
    }));
    assert.equal(await page.evaluate(() => window.told), total);
    // What cannot be reached leaves the page's own link visible.
    await page.waitForFunction(() => {
      const root = document.querySelector("#dead").shadowRoot;
      return root.querySelector("slot") && root.querySelector("[role=status]").textContent;
    });
    assert.equal(await page.evaluate(() => document.cookie + localStorage.length + sessionStorage.length), "00");
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
    site.close();
  }
}

for (const judge of [schemas, pages, webhooks, asyncapi, widget]) {
  const started = performance.now();
  await judge();
  console.log(`judge ${judge.name}: sound, ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
