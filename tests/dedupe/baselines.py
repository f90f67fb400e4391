#!/usr/bin/env python3
"""General tools on the labelled corpora, for the table in docs/dedupe.md.

    python3 -m venv .venv && .venv/bin/pip install -r tests/dedupe/requirements.txt
    .venv/bin/python tests/dedupe/baselines.py CORPUS_FOLDER target/release/passerelle

CORPUS_FOLDER holds duplicates/dev10k.jsonl.xz, ft_data_jobs.jsonl.xz and real_pairs_dev.csv. Prints
one Markdown row a method: pairwise precision, recall and F1 after connected components, B-cubed F1
and seconds; for the real offers only the labelled pairs count. Splink stands at the threshold that
is best for it on the very data, with weights of its own finding and with weights from the labels.
Passerelle's rows come from `duplicates evaluate` on the same files.
"""
import collections
import csv
import datetime
import json
import lzma
import re
import subprocess
import sys
import time
import unicodedata

from by_splink import weighted
from datasketch import MinHash, MinHashLSH


def words(text):
    text = unicodedata.normalize("NFD", text or "").encode("ascii", "ignore").decode().lower()
    return re.findall(r"[a-z0-9]+", text)


class Forest:
    def __init__(self, n):
        self.parent = list(range(n))

    def root(self, of):
        while self.parent[of] != of:
            self.parent[of] = self.parent[self.parent[of]]
            of = self.parent[of]
        return of

    def join(self, a, b):
        a, b = self.root(a), self.root(b)
        self.parent[max(a, b)] = min(a, b)

    def clusters(self):
        return [self.root(of) for of in range(len(self.parent))]


def f1(precision, recall):
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def against_truth(found, truth):
    def pairs(counts):
        return sum(n * (n - 1) // 2 for n in counts)

    both = collections.Counter(zip(found, truth))
    sizes, there = collections.Counter(found), collections.Counter(truth)
    right = pairs(both.values())
    precision = right / max(1, pairs(sizes.values()))
    recall = right / max(1, pairs(there.values()))
    cubed_precision = sum(n * n / sizes[c] for (c, _), n in both.items()) / len(found)
    cubed_recall = sum(n * n / there[t] for (_, t), n in both.items()) / len(found)
    return precision, recall, f1(cubed_precision, cubed_recall)


def against_pairs(found, labels):
    joined = [same for a, b, same in labels if found[a] == found[b]]
    precision = sum(joined) / max(1, len(joined))
    recall = sum(joined) / max(1, sum(same for _, _, same in labels))
    return precision, recall, None


def exact(items):
    forest, seen = Forest(len(items)), {}
    for at, item in enumerate(items):
        forest.join(seen.setdefault(tuple(item["words"]), at), at)
    return forest.clusters()


def signatures(items):
    made = []
    for item in items:
        text = item["words"]
        sketch = MinHash(num_perm=128, seed=1)
        sketch.update_batch([" ".join(text[i : i + 3]).encode() for i in range(max(1, len(text) - 2))])
        made.append(sketch)
    return made


def minhash(items, sketches, threshold, guarded):
    index = MinHashLSH(threshold=threshold, num_perm=128)
    forest = Forest(len(items))
    for at, sketch in enumerate(sketches):
        for other in index.query(sketch):
            if sketch.jaccard(sketches[other]) < threshold:
                continue
            fields = ("commune", "contract")
            conflict = any(
                items[at][f] and items[other][f] and items[at][f] != items[other][f] for f in fields
            )
            if not (guarded and conflict):
                forest.join(at, other)
        index.insert(at, sketch)
    return forest.clusters()


def best_of(pairs, count, judge):
    """The figures at the best threshold: the weights from the heaviest down, in whole bits."""
    forest, best = Forest(count), None
    at = 0
    for threshold in range(60, -11, -1):
        while at < len(pairs) and pairs[at][0] >= threshold:
            forest.join(*pairs[at][1:])
            at += 1
        figures = judge(forest.clusters())
        if best is None or f1(*figures[:2]) > f1(*best[1][:2]):
            best = threshold, figures
    return best


def day(date):
    return datetime.date.fromisoformat(date[:10]).toordinal() if date else None


def plain(text):
    return " ".join(w for w in words(text) if w not in ("h", "f")) or None


def synthetic(folder):
    items, truth = [], []
    with lzma.open(f"{folder}/duplicates/dev10k.jsonl.xz", "rt") as lines:
        for row in map(json.loads, lines):
            items.append(
                {
                    "words": words(row["desc"]),
                    "commune": row["commune"],
                    "contract": row["contract"],
                    "title": plain(row["title"]),
                    "employer": plain(row["employer"]),
                    "department": row["dept"],
                    "occupation": row["rome"],
                    "reference": row["ref"],
                    "link": row["url"],
                    "source": row["src"],
                    "day": day(row["date"]),
                    "vacancy": row["vid"],
                }
            )
            truth.append(row["vid"])
    return items, "vacancy", lambda found: against_truth(found, truth)


def real(folder):
    items, place = [], {}
    with lzma.open(f"{folder}/duplicates/ft_data_jobs.jsonl.xz", "rt") as lines:
        for row in map(json.loads, lines):
            place[row["id"]] = len(items)
            where = row.get("lieuTravail") or {}
            origin = row.get("origineOffre") or {}
            partner = (origin.get("partenaires") or [{}])[0]
            items.append(
                {
                    "words": words(row.get("description")),
                    "commune": where.get("commune"),
                    "contract": row.get("typeContrat"),
                    "title": plain(row.get("intitule")),
                    "employer": plain((row.get("entreprise") or {}).get("nom")),
                    "department": re.match(r"\w{2,3}|$", where.get("libelle", ""))[0] or None,
                    "occupation": row.get("romeCode"),
                    "reference": None,
                    "link": partner.get("url"),
                    "source": partner.get("nom", "ft"),
                    "day": day(row.get("dateCreation")),
                }
            )
    labels = []
    with open(f"{folder}/duplicates/real_pairs_dev.csv", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["label"] in ("POS", "NEG", "MULTISITE"):
                labels.append((place[row["id_a"]], place[row["id_b"]], row["label"] == "POS"))
    same = [(a, b) for a, b, is_same in labels if is_same]
    return items, same, lambda found: against_pairs(found, labels)


def row(corpus, method, figures, seconds):
    precision, recall, cubed = figures
    cubed = "" if cubed is None else f"{cubed:.3f}"
    print(f"| {corpus} | {method} | {precision:.3f} | {recall:.3f} | {f1(precision, recall):.3f} | {cubed} | {seconds:.1f} |")


def main():
    folder, program = sys.argv[1], sys.argv[2]
    print("| corpus | method | P | R | F1 | B-cubed F1 | s |\n|---|---|---|---|---|---|---|")
    for corpus, load, files in (
        ("synthetic", synthetic, ["dev10k.jsonl.xz"]),
        ("real pairs", real, ["ft_data_jobs.jsonl.xz", "--pairs", "real_pairs_dev.csv"]),
    ):
        items, labels, judge = load(folder)
        started = time.time()
        row(corpus, "exact text", judge(exact(items)), time.time() - started)
        started = time.time()
        sketches = signatures(items)
        signing = time.time() - started
        for threshold in (0.5, 0.7, 0.9):
            for guarded in (False, True):
                started = time.time()
                found = minhash(items, sketches, threshold, guarded)
                guard = ", commune and contract must not conflict" if guarded else ""
                name = f"datasketch MinHash {threshold}{guard}"
                row(corpus, name, judge(found), signing + time.time() - started)
        for trained, known in (("by itself", None), ("from the labels", labels)):
            started = time.time()
            pairs = weighted(items, known)
            seconds = time.time() - started
            threshold, figures = best_of(pairs, len(items), judge)
            row(corpus, f"splink, weights {trained}, best single threshold ({threshold} bits)", figures, seconds)
        arguments = [a if a.startswith("--") else f"{folder}/duplicates/{a}" for a in files]
        out = subprocess.run(
            [program, "duplicates", "evaluate", *arguments, "--json"], check=True, capture_output=True
        )
        report = json.loads(out.stdout)
        synthetic_only = corpus == "synthetic"
        for name, part, cubed in (
            ("**Passerelle, published**", report["pairwise"], report["bcubed"]["f1"]),
            ("**Passerelle, best single threshold**", report["best"], report["best"]["bcubed_f1"]),
        ):
            figures = part["precision"], part["recall"], cubed if synthetic_only else None
            row(corpus, name, figures, report["seconds"])


if __name__ == "__main__":
    main()
