#!/usr/bin/env python3
"""Makes other noise of the labelled synthetic corpus, to see whether the figures hold.

    python3 tests/dedupe/perturb.py CORPUS.jsonl.xz OUT_FOLDER [DRAWS]

Writes one JSON-lines file a kind of noise (only copies are altered, never an employer's own posting;
`rid` and `vid` stay), and with DRAWS one more, `large.jsonl`: so many draws one after the other, each
with other towns, employers and references, so that no two draws share a vacancy.
"""
import datetime
import json
import lzma
import random
import re
import sys
import unicodedata

LABELS = {
    "J1506": "Infirmier / Infirmière en soins généraux",
    "J1501": "Aide-soignant / Aide-soignante",
    "J1301": "Agent / Agente des services hospitaliers",
    "J1404": "Masseur / Masseuse kinésithérapeute",
    "K1207": "Éducateur spécialisé / Éducatrice spécialisée",
    "M1609": "Secrétaire médical / Secrétaire médicale",
}
# Words of names that are words of the trade too.
KEPT = set(
    "centre hospitalier intercommunal hopital local clinique polyclinique institut medical maison sante "
    "association fondation residence ehpad foyer groupe soins reeducation villa clos jardins sources "
    "saint sainte saints saintes sur sous les des pour dans avec bois mont vieux grand grande petit "
    "chateau ville port pont bourg haute haut bas basse neuf neuve noir blanc rouge vert pays cote val "
    "service unite jour nuit hospitaliere adapei admr autonomie".split()
)


def folded(word):
    return unicodedata.normalize("NFD", word).encode("ascii", "ignore").decode().lower()


def draws_of(rows, draw):
    """The same corpus in other towns: each word of a town's or employer's name is another word."""
    names = set()
    for row in rows:
        if row["src"].startswith("ats:"):
            for field in (row["loc"], row["employer"]):
                names.update(w for w in map(folded, re.findall(r"[^\W\d_]+", field or "")) if len(w) > 3)
    names -= KEPT
    consonants = "bcdfglmnprstv"
    turned = {c: consonants[(i + draw) % len(consonants)] for i, c in enumerate(consonants)}

    def other(match):
        word = match.group()
        if folded(word) not in names:
            return word
        made = "".join(turned.get(c, c) for c in folded(word))
        return made.upper() if word.isupper() else made.capitalize() if word[0].isupper() else made

    def renamed(text):
        return re.sub(r"[^\W\d_]+", other, text) if text else text

    def digits(text):
        return text.translate(str.maketrans("0123456789", "".join(str((d + draw) % 10) for d in range(10)))) if text else text

    for row in rows:
        row = dict(row, title=renamed(row["title"]), employer=renamed(row["employer"]), loc=renamed(row["loc"]))
        text = renamed(row["desc"] or "")
        # References keep their letters; counts of beds and of staff become others.
        text = re.sub(r"\b[A-Z]\d{2}-\d{4}-\d{5}\b", lambda m: digits(m.group()), text)
        row["desc"] = re.sub(r"\b\d{3}\b(?! ?[€%])", lambda m: digits(m.group()), text)
        row["ref"], row["siret"] = digits(row["ref"]), digits(row["siret"])
        row["url"] = digits(row["url"])
        row["src"] = "ats:" + digits(row["src"][4:]) if row["src"].startswith("ats:") else row["src"]
        row["ext_id"] = digits(row["ext_id"])
        if row["commune"]:
            row["commune"] = row["commune"][:2] + f"{(int(row['commune'][2:]) + 37 * draw) % 1000:03d}" if row["commune"][2:].isdigit() else row["commune"]
        row["rid"], row["vid"] = f"{row['rid']}-{draw}", f"{row['vid']}-{draw}"
        yield row


def drop(row, dice):
    if dice.random() < 0.3 and not row["src"].startswith("agency:"):
        row["employer"] = None
    if dice.random() < 0.25:
        row["commune"] = None
        row["loc"] = f"Département {row['dept']}" if row["dept"] else "France"
        if dice.random() < 0.3:
            row["dept"], row["loc"] = None, "France"


def cut(row, dice):
    if dice.random() < 0.35 and row["desc"]:
        row["desc"] = row["desc"][: dice.randint(350, 1000)]


def glue(row, dice):
    if dice.random() < 0.4 and row["desc"]:
        row["desc"] = re.sub(r"\s*\n\s*[-*•]?\s*", "", row["desc"])


def retitle(row, dice):
    roll = dice.random()
    if roll < 0.15 and row["rome"] in LABELS:
        row["title"] = LABELS[row["rome"]] + " (H/F)"
    elif roll < 0.25:
        row["title"] = row["title"].upper()
    elif roll < 0.35:
        row["title"] = "Recrute : " + row["title"]
    elif roll < 0.45 and " - " in row["title"]:
        row["title"] = row["title"].rsplit(" - ", 1)[0] + " (H/F)"


def late(row, dice):
    if dice.random() < 0.4:
        for field in ("date", "end"):
            if row[field]:
                day = datetime.date.fromisoformat(row[field]) + datetime.timedelta(dice.randint(1, 20))
                row[field] = day.isoformat()


def wrong(row, dice):
    if dice.random() < 0.06 and row["contract"]:
        row["contract"] = dice.choice(["CDI", "CDD"])
    if dice.random() < 0.1:
        row["salary"] = dice.choice([None, 1900, 2300, 2800])


KINDS = {"drop": [drop], "cut": [cut], "glue": [glue], "retitle": [retitle], "late": [late], "wrong": [wrong]}
KINDS["all"] = [drop, cut, glue, retitle, late, wrong]


def altered(rows, noises, dice):
    for row in rows:
        row = dict(row)
        if not row["src"].startswith("ats:"):
            for noise in noises:
                noise(row, dice)
        yield row


def write(path, rows):
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def main():
    corpus, folder = sys.argv[1], sys.argv[2]
    with lzma.open(corpus, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for name, noises in KINDS.items():
        write(f"{folder}/{name}.jsonl", altered(rows, noises, random.Random(name)))
    write(f"{folder}/renamed.jsonl", draws_of(rows, 1))
    if len(sys.argv) > 3:
        many = (
            row
            for draw in range(int(sys.argv[3]))
            for row in altered(draws_of(rows, draw), [glue, late] if draw else [], random.Random(draw))
        )
        write(f"{folder}/large.jsonl", many)


if __name__ == "__main__":
    main()
