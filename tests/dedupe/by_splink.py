"""Splink (a Fellegi-Sunter model, on DuckDB) over the ads of `baselines.py`.

It is given what the ads say in fields, the text as a sample of its phrases, and the facets on which
siblings differ, read from the text by the patterns below. `weighted` trains it by expectation
maximisation alone or with the labels, and returns its pairs with their weights.
"""
import hashlib
import logging
import re

import duckdb
import pyarrow
import splink.comparison_level_library as level
import splink.comparison_library as comparison
from splink import Linker, SettingsCreator, block_on
from splink.backends.duckdb import DuckDBAPI

# A phrase that more ads share than this proposes no pair, as with Passerelle's keys.
COMMON = 100
# Bits of the sample of a text: of some fifty phrases few fall together.
BITS = 2048
# Parameters of a link that say by which way one came.
WAY = re.compile(r"[?&](?:utm_\w+|src|source|from\w*)=[^&]*")
FACETS = {
    "shift": r"(?:travail|poste|horaires?|equipe)? ?de (nuit|jour)\b",
    "share": r"\btemps (plein|partiel(?: \d+)?)\b",
    "duration": r"\bcdd (?:de )?(\d+) mois\b",
    "service": r"\bservice (?:de |d |des )?(\w+)",
}


def phrases(words):
    size = 3
    said = (" ".join(words[i : i + size]) for i in range(max(1, len(words) - size + 1)))
    digest = (hashlib.blake2b(phrase.encode(), digest_size=7).digest() for phrase in said)
    return sorted({int.from_bytes(d, "big") for d in digest})


def sample(said):
    """One phrase in four, the same of every text, each as a bit: enough to tell how much two share."""
    bits = 0
    for phrase in said:
        if phrase % 4 == 0:
            bits |= 1 << (phrase // 4 % BITS)
    return f"{bits:0{BITS}b}"


def facet(pattern, text):
    found = re.search(pattern, text)
    return found.group(1) if found else None


def table(items):
    counts, every = {}, [phrases(item["words"]) for item in items]
    for said in every:
        for phrase in said:
            counts[phrase] = counts.get(phrase, 0) + 1
    rows = []
    for at, (item, said) in enumerate(zip(items, every)):
        text = f"{item['title']} {' '.join(item['words'])}"
        rows.append(
            {
                "unique_id": at,
                "title": item["title"],
                "employer": item["employer"],
                "commune": item["commune"],
                "department": item["department"],
                "occupation": item["occupation"],
                "contract": item["contract"],
                "reference": item["reference"],
                "link": WAY.sub("", item["link"]).lower() if item["link"] else None,
                "source": item["source"],
                "day": item["day"],
                "sample": sample(said),
                "keys": [phrase for phrase in said if 1 < counts[phrase] <= COMMON][:10],
                "vacancy": item.get("vacancy"),
                **{name: facet(pattern, text) for name, pattern in FACETS.items()},
            }
        )
    return pyarrow.Table.from_pylist(rows)


def shared(of, at_least):
    both = 'bit_count("sample_l" & "sample_r")'
    whole = {
        "resemblance": 'bit_count("sample_l" | "sample_r")',
        "containment": 'least(bit_count("sample_l"), bit_count("sample_r"))',
    }[of]
    return level.CustomLevel(f"{both} >= {at_least} * {whole}", label_for_charts=f"{of} {at_least}")


def days(limit):
    return level.CustomLevel(f'abs("day_l" - "day_r") <= {limit}', label_for_charts=f"{limit} days")


def settings():
    def exact(name):
        return comparison.ExactMatch(name)

    def frequent(name):
        return comparison.ExactMatch(name).configure(term_frequency_adjustments=True)

    def similar(name, *thresholds):
        made = comparison.JaroWinklerAtThresholds(name, list(thresholds))
        return made.configure(term_frequency_adjustments=True)

    empty = level.CustomLevel('bit_count("sample_l") = 0 or bit_count("sample_r") = 0')
    text = [
        empty.configure(is_null_level=True),
        *(shared("resemblance", share) for share in (0.97, 0.8, 0.5)),
        *(shared("containment", share) for share in (0.9, 0.6, 0.3, 0.1)),
        level.ElseLevel(),
    ]
    gap = [level.NullLevel("day"), *(days(n) for n in (3, 14, 45, 120)), level.ElseLevel()]
    place = [
        level.NullLevel("department"),
        level.ExactMatchLevel("commune", term_frequency_adjustments=True),
        level.CustomLevel('"commune_l" <> "commune_r"', label_for_charts="other commune"),
        level.ExactMatchLevel("department"),
        level.ElseLevel(),
    ]
    return SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            similar("title", 0.92, 0.75),
            similar("employer", 0.92, 0.8),
            comparison.CustomComparison(place, output_column_name="place"),
            comparison.CustomComparison(text, output_column_name="text"),
            comparison.CustomComparison(gap, output_column_name="gap"),
            frequent("occupation"),
            frequent("service"),
            *(exact(n) for n in ("contract", "reference", "link", "source", "shift", "share", "duration")),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("link"),
            block_on("reference"),
            block_on("employer", "commune"),
            block_on("commune", "occupation"),
            block_on("title", "department"),
            block_on("keys", arrays_to_explode=["keys"]),
        ],
        retain_matching_columns=False,
    )


def weighted(items, labels=None):
    """Pairs as (weight, a, b), the heaviest first. `labels` are pairs that are one vacancy, or
    "vacancy" where every ad says which it is of; without them the model trains itself."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    connection = duckdb.connect()
    ads = table(items)
    connection.execute("create table ads as select * replace (sample::bit as sample) from ads")
    api = DuckDBAPI(connection)
    linker = Linker(api.register("ads"), settings(), log_level=None)
    training = linker.training
    certain = [block_on("link"), block_on("employer", "commune", "title", "contract")]
    training.estimate_probability_two_random_records_match(certain, recall=0.5)
    training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    if labels is None:
        for rule in (block_on("commune", "occupation"), block_on("title", "department"), block_on("link")):
            training.estimate_parameters_using_expectation_maximisation(rule, record_sample_proportion=1.0)
    elif labels == "vacancy":
        training.estimate_m_from_label_column("vacancy")
    else:
        rows = [{"unique_id_l": a, "unique_id_r": b, "clerical_match_score": 1.0} for a, b in labels]
        training.estimate_m_from_pairwise_labels(api.register(pyarrow.Table.from_pylist(rows)))
    found = linker.inference.predict(threshold_match_weight=-10)
    names = "match_weight, unique_id_l, unique_id_r"
    query = f"select {names} from {found.physical_name} order by {names}"
    return connection.execute(query).fetchall()[::-1]
