"""Cases of `tuning-fork stats` computed by the reference libraries, with fixed seeds.

    python make_metrics.py OUT [COUNT]        COUNT random cases a kind (default 200) into OUT/KIND.json
    python make_metrics.py OUT COUNT --check PROGRAM    and compare what PROGRAM stats KIND gives

`expected` holds what a library computes; what is a plain formula is written out with numpy.
numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, statsmodels 0.15.0, krippendorff 0.9.0,
pingouin 0.7.0, rouge-score 0.1.2, nltk 3.10.4, sacrebleu 2.6.0, choix 0.4.1, ppi-python 0.2.3.
"""

import itertools
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

import numpy as np

warnings.filterwarnings("ignore")

WORDS = (
    "the of and to in is was media trust policy voters voted voting agreement agreements studies studied "
    "relational national nation generally generalise hopefulness happy sky skies dying news Größe naïve café "
    "İstanbul Привет 你好 世界 R&D &quot;so&quot; &amp; 1,234.56 3.5 e-mail U.S.A. (sic) well-known -5 10-20 "
    "a an the, and. what? no! 'quoted' “curly” <skipped> ... ,comma /slash/ [b] {c} ~ ^ _under_ don't its"
).split()
# What programs disagree about: marks that combine, spaces of all sorts, letters without case, digits of
# other scripts, signs of more than one code point.
SIGNS = (
    list("aAbzZ09._-,;:!?'\"()[]{}&<>/%$@#*+=|~^`\\") + list(" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2003\u2028\u202f\u3000\u200b\ufeff")
    + list("\u0301\u0308\u093f\u094d\u0e31\u3099\u20dd") + list("äßÄŒſıİǅΣσςЖжաאب١٢हि你好ひカ한ｶＡ１①½²ªº⁵ⅷ") + list("“”‘’«»…–—·¿、。「」！") + list("😀👍🏽🇩🇪𝒜𐐀")
)
TOLERANCE = {"bradley_terry": 1e-6, "dsl": 1e-7, "human_ceiling": 1e-7, "pca": 1e-7, "logistic": 1e-6}


def text(rng, most=14):
    space = rng.choice([" ", " ", " ", "  ", "\t", "\u00a0"])
    return space.join(rng.choice(WORDS) for _ in range(rng.randint(0, most)))


def odd(rng, most=30):
    """Signs of every kind, with words of English between them so that something is the same."""
    parts = [rng.choice(SIGNS) if rng.random() < 0.6 else rng.choice(["a", "the", " an ", "The", "word", " ", "is "]) for _ in range(rng.randint(0, most))]
    return "".join(parts)


def changed(rng, line):
    signs = list(line)
    for _ in range(rng.randint(0, 4)):
        at = rng.randint(0, len(signs))
        if rng.random() < 0.5:
            signs.insert(at, rng.choice(SIGNS))
        elif signs:
            signs.pop(at % len(signs))
    return "".join(signs)


def edited(rng, line):
    words = line.split()
    for _ in range(rng.randint(0, 4)):
        at = rng.randint(0, len(words))
        kind = rng.random()
        if kind < 0.3:
            words.insert(at, rng.choice(WORDS))
        elif kind < 0.55 and words:
            words.pop(at % len(words))
        elif kind < 0.75 and words:
            words[at % len(words)] = rng.choice(WORDS)
        elif words:
            end = min(len(words), at + rng.randint(1, 4))
            run = words[at:end]
            del words[at:end]
            place = rng.randint(0, len(words))
            words[place:place] = run
    return " ".join(words)


def holes(rng, values, share):
    return [None if rng.random() < share else value for value in values]


def weights(rng, count):
    return [rng.choice([0, 1, 2, round(rng.uniform(0, 3), 2)]) for _ in range(count)] if rng.random() < 0.4 else None


def number(value):
    value = float(value)
    return None if math.isnan(value) else value


def labels_of(rng):
    return rng.choice([["no", "yes"], ["a", "b", "c"], [1, 2, 3, 4, 5], ["", " ", "x"], ["ä", "a", "A", "à"], [0, 0.5, 1]])


def agreement_two(rng):
    from sklearn.metrics import cohen_kappa_score, confusion_matrix

    labels = labels_of(rng)
    count = rng.randint(1, 60)
    a = [rng.choice(labels) for _ in range(count)]
    b = [value if rng.random() < 0.6 else rng.choice(labels) for value in a]
    a, b, w = holes(rng, a, 0.1), holes(rng, b, 0.1), weights(rng, count)
    kept = [i for i in range(count) if a[i] is not None and b[i] is not None]
    place = [labels.index(a[i]) for i in kept], [labels.index(b[i]) for i in kept]
    used = [w[i] for i in kept] if w else None
    if not kept or (w and sum(used) == 0):
        return None
    every = list(range(len(labels)))
    expected = {"n": len(kept), "confusion": confusion_matrix(*place, labels=every, sample_weight=used).tolist()}
    for key, kind in (("kappa", None), ("kappa_linear", "linear"), ("kappa_quadratic", "quadratic")):
        expected[key] = number(cohen_kappa_score(*place, labels=every, weights=kind, sample_weight=used))
    return {"labels": labels, "a": a, "b": b} | ({"weights": w} if w else {}), expected


def agreement_many(rng):
    import krippendorff
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    labels = rng.choice([[1, 2, 3, 4, 5], [0, 1], [-2, -1, 0, 1, 2], [0.5, 1.5, 10], [1, 2, 3]])
    units, coders = rng.randint(1, 25), rng.randint(1, 6)
    truth = [rng.choice(labels) for _ in range(units)]
    ratings = [holes(rng, [t if rng.random() < 0.6 else rng.choice(labels) for _ in range(coders)], 0.15) for t in truth]
    expected = {"n_units": units, "n_coders": coders} | agreement_by_definition(labels, ratings)
    data = np.array([[np.nan if v is None else v for v in unit] for unit in ratings], dtype=float).T
    pairable = [[v for v in unit if v is not None] for unit in ratings]
    pairable = [unit for unit in pairable if len(unit) > 1]
    if pairable and len({v for unit in pairable for v in unit}) > 1:
        for level in ("nominal", "ordinal", "interval", "ratio"):
            if level == "ratio" and any(a + b == 0 for a in labels for b in labels):
                continue  # 0/0 in the library
            expected[f"alpha_{level}"] = float(krippendorff.alpha(data, level_of_measurement=level, value_domain=labels))
    complete = [unit for unit in ratings if None not in unit]
    expected["fleiss_units"] = len(complete)
    if complete and coders > 1:
        table, _ = aggregate_raters(np.array([[labels.index(v) for v in unit] for unit in complete]), len(labels))
        expected["fleiss_kappa"] = number(fleiss_kappa(table))
    return {"categories": labels, "ratings": ratings}, expected


def agreement_by_definition(labels, ratings):
    """Percent agreement and Gwet's AC1, as irrCAC defines them."""
    counts = [[unit.count(label) for label in labels] for unit in ratings]
    rated = [(row, sum(row)) for row in counts if sum(row)]
    several = [(row, r) for row, r in rated if r > 1]
    found = {"n_pairable_units": len(several)}
    if not several:
        return found | {"percent_agreement": None, "gwet_ac1": None}
    agree = sum(sum(n * (n - 1) for n in row) / (r * (r - 1)) for row, r in several) / len(several)
    found["percent_agreement"] = agree
    if len(labels) > 1:
        shares = [sum(row[k] / r for row, r in rated) / len(rated) for k in range(len(labels))]
        chance = sum(p * (1 - p) for p in shares) / (len(labels) - 1)
        found["gwet_ac1"] = (agree - chance) / (1 - chance) if chance < 1 else None
    return found


def icc(rng):
    import pandas
    import pingouin

    targets, coders = rng.randint(5, 15), rng.randint(2, 5)
    spread = rng.choice([0.1, 1, 10])
    base = [rng.gauss(5, 2) for _ in range(targets)]
    ratings = [[round(b + rng.gauss(0, spread) + c, 3) for c in range(coders)] for b in base]
    long = pandas.DataFrame([(i, j, v) for i, row in enumerate(ratings) for j, v in enumerate(row)], columns=list("tcv"))
    table = pingouin.intraclass_corr(data=long, targets="t", raters="c", ratings="v")
    names = dict(zip(table["Type"], table["ICC"]))
    keys = list(names)
    order = ["icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k"]
    found = {"ICC1": "icc1", "ICC2": "icc2", "ICC3": "icc3", "ICC1k": "icc1k", "ICC2k": "icc2k", "ICC3k": "icc3k",
             "ICC(1,1)": "icc1", "ICC(A,1)": "icc2", "ICC(C,1)": "icc3", "ICC(1,k)": "icc1k", "ICC(A,k)": "icc2k", "ICC(C,k)": "icc3k"}
    expected = {found[key]: float(names[key]) for key in keys if key in found}
    assert sorted(expected) == sorted(order), keys
    return {"ratings": ratings}, expected | {"n_targets": targets, "n_coders": coders}


def classification(rng):
    from sklearn import metrics

    labels = labels_of(rng)
    count = rng.randint(1, 50)
    truth = [rng.choice(labels) for _ in range(count)]
    predicted = [value if rng.random() < 0.6 else rng.choice(labels) for value in truth]
    truth, predicted, w = holes(rng, truth, 0.05), holes(rng, predicted, 0.05), weights(rng, count)
    kept = [i for i in range(count) if truth[i] is not None and predicted[i] is not None]
    used = [w[i] for i in kept] if w else None
    if not kept or (w and sum(used) == 0):
        return None
    t, p = [labels.index(truth[i]) for i in kept], [labels.index(predicted[i]) for i in kept]
    every = list(range(len(labels)))
    more = {"sample_weight": used}
    expected = {
        "n": len(kept),
        "confusion": metrics.confusion_matrix(t, p, labels=every, **more).tolist(),
        "accuracy": float(metrics.accuracy_score(t, p, **more)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(t, p, **more)),
        "mcc": float(metrics.matthews_corrcoef(t, p, **more)),
        "macro_f1_declared": float(metrics.f1_score(t, p, labels=every, average="macro", zero_division=0, **more)),
    }
    present = sorted(set(t) | set(p))
    for kind in ("macro", "micro", "weighted"):
        scores = metrics.precision_recall_fscore_support(t, p, labels=present, average=kind, zero_division=0, **more)
        for key, value in zip(("precision", "recall", "f1"), scores):
            expected[f"{kind}_{key}"] = float(value)
    each = metrics.precision_recall_fscore_support(t, p, labels=every, zero_division=0, **more)
    expected["per_class"] = [
        {"label": label, "precision": float(a), "recall": float(b), "f1": float(c), "support": number(d)}
        for label, a, b, c, d in zip(labels, *each)
    ]
    return {"labels": labels, "y_true": truth, "y_pred": predicted} | ({"weights": w} if w else {}), expected


def multilabel(rng):
    from sklearn import metrics

    labels = ["economy", "health", "migration", "climate"][: rng.randint(2, 4)]
    count = rng.randint(1, 20)
    draw = lambda: [[label for label in labels if rng.random() < 0.4] for _ in range(count)]
    truth = draw()
    predicted = [one if rng.random() < 0.5 else other for one, other in zip(truth, draw())]
    t, p = (np.array([[label in one for label in labels] for one in sets], dtype=int) for sets in (truth, predicted))
    expected = {
        "n": count,
        "subset_accuracy": float(metrics.accuracy_score(t, p)),
        "hamming_loss": float(metrics.hamming_loss(t, p)),
    }
    for kind in ("micro", "macro", "samples"):
        expected[f"{kind}_f1"] = float(metrics.f1_score(t, p, average=kind, zero_division=0))
        expected[f"{kind}_jaccard"] = float(metrics.jaccard_score(t, p, average=kind, zero_division=0))
    return {"labels": labels, "y_true": truth, "y_pred": predicted}, expected


def probabilities_binary(rng):
    from sklearn import metrics

    count = rng.randint(1, 60)
    digits = rng.choice([1, 2, 17])
    y = [int(rng.random() < 0.4) for _ in range(count)]
    p = [round(min(1, max(0, rng.betavariate(1, 1) * 0.7 + 0.3 * v)), digits) for v in y]
    if rng.random() < 0.3:
        p[0] = rng.choice([0.0, 1.0, 1e-300, 5e-324, 1 - 2**-53])
    w = weights(rng, count)
    if w and (sum(w) == 0 or not 0 < sum(a for a, b in zip(w, y) if b) < sum(w)):
        w = None
    more = {"sample_weight": w}
    expected = {
        "n": count,
        "brier": float(metrics.brier_score_loss(y, p, pos_label=1, **more)),
        "log_loss": float(metrics.log_loss(y, p, labels=[0, 1], **more)),
        "auroc": float(metrics.roc_auc_score(y, p, **more)) if len(set(y)) == 2 else None,
        "average_precision": float(metrics.average_precision_score(y, p, **more)) if any(y) else None,
    } | calibration(p, y, w)
    return {"y": y, "p": p} | ({"weights": w} if w else {}), expected


def calibration(p, y, w=None, key="ece"):
    w = [1] * len(p) if w is None else w
    bins = {}
    for one, right, weight in zip(p, y, w):
        place = next((b for b in range(10) if one <= (b + 1) / 10), 9)
        bins.setdefault(place, []).append((one, right, weight))
    shown, error = [], 0.0
    for place, items in sorted(bins.items()):
        total = sum(i[2] for i in items)
        if total == 0:
            continue
        mean_p, mean_y = (sum(i[k] * i[2] for i in items) / total for k in (0, 1))
        shown.append([place, len(items), mean_p, mean_y])
        error += total / sum(w) * abs(mean_y - mean_p)
    return {key: error, "ece_bins": shown}


def probabilities_multiclass(rng):
    from sklearn import metrics

    count, k = rng.randint(1, 30), rng.randint(3, 5)
    y = [rng.randrange(k) for _ in range(count)]
    p = np.array([np.random.default_rng(rng.randrange(10**9)).dirichlet([0.5] * k) for _ in range(count)])
    for i, v in enumerate(y):
        if rng.random() < 0.4:
            p[i] = 0.5 * p[i] + 0.5 * np.eye(k)[v]
    p = p / p.sum(axis=1, keepdims=True)
    expected = {
        "n": count,
        "brier": float(np.mean(((p - np.eye(k)[y]) ** 2).sum(axis=1))),
        "log_loss": float(metrics.log_loss(y, p, labels=list(range(k)))),
        "accuracy": float(np.mean(p.argmax(axis=1) == y)),
    } | calibration(p.max(axis=1).tolist(), (p.argmax(axis=1) == y).astype(int).tolist(), key="ece_top_label")
    if len(set(y)) == k:
        one = [metrics.roc_auc_score(np.array(y) == c, p[:, c]) for c in range(k)]
        expected["auroc_ovr_macro"] = float(np.mean(one))
    return {"y": y, "p": p.tolist()}, expected


def wilson(rng):
    from statsmodels.stats.proportion import proportion_confint

    n = rng.choice([1, 2, 5, 30, 1000, 10**6, 10**9, 10**12])
    k = rng.choice([0, 1, n, n - 1, n // 2, rng.randint(0, n)])
    level = rng.choice([0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1 - 1e-9])
    low, high = proportion_confint(k, n, alpha=1 - level, method="wilson")
    return {"k": k, "n": n, "level": level}, {"proportion": k / n, "low": float(low), "high": float(high)}


def mcnemar(rng):
    from statsmodels.stats.contingency_tables import mcnemar as test

    count = rng.choice([0, 1, 20, 200, 3000])
    skill = rng.random()
    a = [int(rng.random() < 0.6) for _ in range(count)]
    b = [v if rng.random() < skill else int(rng.random() < 0.5) for v in a]
    table = [[sum(x == i and y == j for x, y in zip(a, b)) for j in (1, 0)] for i in (1, 0)]
    p = 1.0 if table[0][1] + table[1][0] == 0 else min(1.0, float(test(table, exact=True).pvalue))
    return {"a_correct": a, "b_correct": b}, {
        "both": table[0][0], "only_a": table[0][1], "only_b": table[1][0], "neither": table[1][1], "p_exact": p,
    }


def paired_bootstrap(rng):
    count, resamples = rng.randint(1, 20), rng.randint(1, 60)
    a, b = ([round(rng.random(), 3) for _ in range(count)] for _ in range(2))
    level = rng.choice([0.5, 0.9, 0.95, 0.99])
    drawn = [[rng.randrange(count) for _ in range(count)] for _ in range(resamples)]
    d = np.array(b) - np.array(a)
    means = np.array([d[one].mean() for one in drawn])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    expected = {"difference": float(d.mean()), "low": float(low), "high": float(high),
                "share_of_resamples_above_zero": float(np.mean(means > 1e-12))}
    return {"a": a, "b": b, "level": level, "resamples": drawn}, expected


def rouge(rng):
    from rouge_score import rouge_scorer

    make, change = (odd, changed) if rng.random() < 0.4 else (text, edited)
    target = "\n".join(make(rng) for _ in range(rng.randint(1, 4)))
    prediction = "\n".join(change(rng, line) if rng.random() < 0.7 else make(rng) for line in target.split("\n"))
    expected = {}
    for name, stem in (("plain", False), ("stem", True)):
        kinds = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
        scores = rouge_scorer.RougeScorer(kinds, use_stemmer=stem).score(target, prediction)
        expected[name] = {kind: [float(v) for v in scores[kind]] for kind in kinds}
    return {"target": target, "prediction": prediction}, expected


def stems(rng):
    from nltk.stem.porter import PorterStemmer

    ends = ("s ss sses ies ied eed ed ing y ational tional enci izer bli abli alli entli eli ousli ization ator alism iveness "
            "fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance er ic able ible ant ement "
            "ment ent ion ou ism ate iti ous ive ize e ll").split()
    letters = "aeiouybcdghlmnprstwxyz"
    words = []
    for _ in range(40):
        stem = "".join(rng.choice(letters) for _ in range(rng.randint(0, 6)))
        word = stem + rng.choice(ends) + (rng.choice(ends) if rng.random() < 0.3 else "")
        words.append(word.capitalize() if rng.random() < 0.1 else word)
    words += [rng.choice(WORDS) for _ in range(5)]
    words += [odd(rng, 3).strip() + rng.choice(ends) for _ in range(3)]
    stemmer = PorterStemmer()
    return {"words": words}, {"stems": [stemmer.stem(word) for word in words]}


def translation(rng):
    from sacrebleu.metrics import BLEU, CHRF, TER

    count, references = rng.randint(1, 4), rng.randint(1, 3)
    make, change = (odd, changed) if rng.random() < 0.4 else (text, edited)
    lines = [make(rng, rng.choice([3, 12, 40])) for _ in range(count)]
    hypotheses = [change(rng, line) for line in lines]
    lists = [[line] + [change(rng, line) for _ in range(references - 1)] for line in lines]
    streams = [list(stream) for stream in zip(*lists)]
    scorers = BLEU(), CHRF(), CHRF(word_order=2), TER()
    bleu, chrf, chrf_pp, ter = (scorer.corpus_score(hypotheses, streams) for scorer in scorers)
    expected = {
        "bleu": {"score": bleu.score, "counts": list(bleu.counts), "totals": list(bleu.totals), "precisions": bleu.precisions,
                 "bp": bleu.bp, "hyp_len": bleu.sys_len, "ref_len": bleu.ref_len, "signature": str(scorers[0].get_signature())},
        "chrf": {"score": chrf.score, "signature": str(scorers[1].get_signature())},
        "chrf_pp": {"score": chrf_pp.score, "signature": str(scorers[2].get_signature())},
        "ter": {"score": ter.score, "edits": ter.num_edits, "ref_len": ter.ref_length, "signature": str(scorers[3].get_signature())},
        "sentences": [],
    }
    of_one = BLEU(effective_order=True), CHRF(), CHRF(word_order=2), TER()
    for hypothesis, refs in zip(hypotheses, lists):
        expected["sentences"].append([scorer.sentence_score(hypothesis, refs).score for scorer in of_one])
    expected["sentence_bleu_signature"] = str(of_one[0].get_signature())
    return {"hypotheses": hypotheses, "references": lists}, expected


def squad(rng):
    import collections
    import re
    import string

    def normal(s):
        s = "".join(c for c in s.lower() if c not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())

    def f1(a, b):
        a, b = a.split(), b.split()
        same = sum((collections.Counter(a) & collections.Counter(b)).values())
        if not a or not b:
            return float(a == b)
        return 2 * same / (len(a) + len(b)) if same else 0.0

    make, change = (odd, changed) if rng.random() < 0.5 else (text, edited)
    prediction = make(rng, 6)
    answers = [change(rng, prediction) for _ in range(rng.randint(1, 3))]
    p, n = normal(prediction), [normal(answer) for answer in answers]
    expected = {"normalised_prediction": p, "normalised_answers": n, "exact_match": int(p in n), "f1": max(f1(p, a) for a in n)}
    return {"prediction": prediction, "answers": answers}, expected


def bradley_terry(rng):
    import choix

    models = rng.randint(2, 6)
    strength = [rng.gauss(0, 1) for _ in range(models)]
    battles = []
    for _ in range(rng.randint(models * 4, 120)):
        i, j = rng.sample(range(models), 2)
        p = 1 / (1 + math.exp(strength[j] - strength[i]))
        battles.append([i, j, 0.5 if rng.random() < 0.2 else int(rng.random() < p)])
    wins = np.zeros((models, models))
    for i, j, s in battles:
        wins[i, j] += s
        wins[j, i] += 1 - s
    reach = np.linalg.matrix_power(np.eye(models) + (wins > 0), models) > 0
    if not reach.all():
        return None
    data = [pair for i, j, s in battles for pair in ([(i, j), (j, i)] if s == 0.5 else [(i, j) if s else (j, i)] * 2)]
    theta = choix.opt_pairwise(models, data, method="Newton-CG", tol=1e-12)
    points = 400 / math.log(10)
    games = wins + wins.T
    for _ in range(6):  # the library's last steps are short of 1e-6
        p = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
        info = games * p * (1 - p)
        fisher = np.diag(info.sum(axis=1)) - info
        step = np.linalg.pinv(fisher) @ (wins - games * p).sum(axis=1)
        assert abs(step).max() < 1e-2
        theta = theta + step
    expected = {
        "ratings": (1000 + points * (theta - theta.mean())).tolist(),
        "standard_errors": (points * np.sqrt(np.diag(np.linalg.pinv(fisher)))).tolist(),
        "mle_exists": True, "games": games.astype(int).tolist(),
    }
    return {"models": [f"model {i}" for i in range(models)], "battles": battles}, expected


def correlation(rng):
    from scipy import stats

    count = rng.choice([2, 3, 10, 60])
    digits = rng.choice([0, 1, 6])
    scale = rng.choice([1, 1, 1e-150, 1e150, 1e6])
    x = [round(rng.gauss(0, 2), digits) * scale for _ in range(count)]
    y = [round(v / scale * rng.choice([0, 1, -1]) + rng.gauss(0, 1), digits) for v in x]
    if len(set(x)) == 1 or len(set(y)) == 1:
        return None
    return {"x": x, "y": y}, {
        "n": count, "pearson": float(stats.pearsonr(np.array(x) / scale, y)[0]),
        "spearman": float(stats.spearmanr(x, y)[0]), "kendall_tau_b": float(stats.kendalltau(x, y)[0]),
    }


def ppi_mean(rng):
    import ppi_py
    from scipy.stats import pearsonr

    n, others = rng.randint(2, 60), rng.randint(2, 200)
    binary = rng.random() < 0.6
    draw = (lambda: float(rng.random() < 0.4)) if binary else (lambda: round(rng.gauss(0.5, 1), 2))
    y = [draw() for _ in range(n)]
    f = [v if rng.random() < 0.7 else draw() for v in y]
    u = [draw() for _ in range(others)]
    ya, fa, ua = map(np.array, (y, f, u))
    if np.var(np.concatenate([fa, ua])) == 0:
        return None
    z = 1.959963984540054
    both = np.concatenate([fa, ua])
    lam = float(np.clip(np.cov(ya, fa)[0, 1] / ((1 + n / others) * both.var(ddof=1)), 0, 1))

    def row(estimate, se):
        return {"estimate": float(estimate), "se": float(se), "low": float(estimate - z * se), "high": float(estimate + z * se)}

    def at(l):
        return row(l * ua.mean() + (ya - l * fa).mean(), math.sqrt(l * l * ua.var(ddof=1) / others + (ya - l * fa).var(ddof=1) / n))

    low, high = ppi_py.ppi_mean_ci(ya, fa, ua, alpha=0.05)
    expected = {
        "human_only": row(ya.mean(), ya.std(ddof=1) / math.sqrt(n)), "model_only": row(ua.mean(), ua.std(ddof=1) / math.sqrt(others)),
        "ppi_plus": at(lam) | {"lambda": lam}, "ppi": at(1),
        "ppi_py": {"estimate": float(ppi_py.ppi_mean_pointestimate(ya, fa, ua)[0]), "low": float(low[0]), "high": float(high[0])},
    }
    if ya.std() > 0 and fa.std() > 0:
        expected["rho"] = float(pearsonr(ya, fa)[0])
    return {"y": y, "f_labelled": f, "f_unlabelled": u}, expected


def dsl(rng):
    import statsmodels.api as sm

    n, kind = rng.randint(30, 80), rng.choice(["lm", "logit", "mean"])
    x = [[round(rng.gauss(0, 1), 2), int(rng.random() < 0.5)] for _ in range(n)]
    binary = kind == "logit" or rng.random() < 0.5
    signal = [0.4 * a + 0.5 * b + rng.gauss(0, 1) for a, b in x]
    truth = [float(s > 0.2) if binary else round(s, 2) for s in signal]
    g = [t if rng.random() < 0.8 else (1 - t if binary else round(t + rng.gauss(0, 1), 2)) for t in truth]
    pi = [rng.choice([0.4, 0.7]) for _ in range(n)]
    y = [t if rng.random() < p else None for t, p in zip(truth, pi)]
    cluster = [rng.randrange(9) for _ in range(n)] if rng.random() < 0.3 else None
    design = np.ones((n, 1)) if kind == "mean" else sm.add_constant(np.array(x, dtype=float), has_constant="add")
    kept = [i for i in range(n) if y[i] is not None]
    if len(kept) < 15:
        return None

    def fit(rows, values, w):
        X, v = design[rows], np.array(values)
        groups = {"cov_type": "HC0"} if cluster is None else {
            "cov_type": "cluster", "cov_kwds": {"groups": np.array(cluster)[rows], "use_correction": False}}
        if kind == "logit":
            model = sm.GLM(v, X, family=sm.families.Binomial(), freq_weights=w)
            theta = model.fit(tol=1e-12, maxiter=200).params
            mu = 1 / (1 + np.exp(-X @ theta))
        else:
            theta = sm.WLS(v, X, weights=w).fit().params
            mu = X @ theta
        spread = mu * (1 - mu) if kind == "logit" else np.ones(len(v))
        bread = np.linalg.inv((X * (w * spread)[:, None]).T @ X)
        scores = X * (w * (v - mu))[:, None]
        if cluster is not None:
            sums = {}
            for c, s in zip(np.array(cluster)[rows], scores):
                sums[c] = sums.get(c, 0) + s
            scores = np.array(list(sums.values()))
        if kind != "logit" and (w == 1).all():
            fitted = sm.OLS(v, X).fit(**groups)
            assert np.allclose(fitted.bse, np.sqrt(np.diag(bread @ scores.T @ scores @ bread)), rtol=1e-8)
        return {"coefficients": theta.tolist(), "standard_errors": np.sqrt(np.diag(bread @ scores.T @ scores @ bread)).tolist()}

    try:
        expected = {
            "n": n, "labelled": len(kept), "naive": fit(list(range(n)), g, np.ones(n)),
            "human_only": fit(kept, [y[i] for i in kept], np.array([1 / pi[i] for i in kept])),
        }
    except Exception:
        return None
    if max(abs(v) for v in expected["human_only"]["coefficients"]) > 15:
        return None
    given = {"model": kind, "y": y, "g": g, "pi": pi} | ({} if kind == "mean" else {"x": x})
    return given | ({"cluster": cluster} if cluster else {}), expected


def alt_test(rng):
    from scipy import stats
    from statsmodels.stats.multitest import multipletests

    items, people = rng.randint(10, 60), rng.randint(2, 6)
    numeric = rng.random() < 0.4
    labels = [1, 2, 3, 4, 5] if numeric else ["a", "b", "c"]
    truth = [rng.choice(labels) for _ in range(items)]
    draw = lambda skill: [t if rng.random() < skill else rng.choice(labels) for t in truth]
    humans = {f"h{j}": holes(rng, draw(0.7), 0.15) for j in range(people)}
    llm = holes(rng, draw(rng.choice([0.5, 0.8, 0.95])), 0.05)
    epsilon, least = rng.choice([0.1, 0.15, 0.2]), rng.choice([5, 10, 30])
    used = [i for i in range(items) if llm[i] is not None and sum(h[i] is not None for h in humans.values()) > 1]
    rows, skipped = [], []
    for name, own in humans.items():
        f_wins, h_wins = [], []
        for i in used:
            if own[i] is None:
                continue
            others = [h[i] for other, h in humans.items() if other != name and h[i] is not None]
            if numeric:
                score = lambda v: -math.sqrt(np.mean([(v - o) ** 2 for o in others]))
            else:
                score = lambda v: np.mean([v == o for o in others])
            f_wins.append(float(score(llm[i]) >= score(own[i])))
            h_wins.append(float(score(own[i]) >= score(llm[i])))
        if len(f_wins) < least:
            skipped.append([name, len(f_wins)])
            continue
        d = np.array(h_wins) - np.array(f_wins)
        p = float(d.mean() >= epsilon) if d.std() == 0 else float(stats.ttest_1samp(d, epsilon, alternative="less").pvalue)
        rows.append({"name": name, "items": len(d), "llm_advantage": float(np.mean(f_wins)), "human_advantage": float(np.mean(h_wins)), "p": p})
    expected = {"items_used": len(used), "items_dropped": items - len(used), "skipped": skipped, "annotators": rows}
    if rows:
        reject, adjusted, *_ = multipletests([r["p"] for r in rows], alpha=0.05, method="fdr_by")
        for row, r, a in zip(rows, reject, adjusted):
            row |= {"p_adjusted": float(a), "rejected": bool(r)}
        expected |= {"winning_rate": float(reject.mean()), "advantage_probability": float(np.mean([r["llm_advantage"] for r in rows]))}
    given = {"epsilon": epsilon, "q": 0.05, "score": "neg_rmse" if numeric else "accuracy", "min_items": least, "humans": humans, "llm": llm}
    return given, expected


def selective_risk(rng):
    from scipy import stats

    count = rng.choice([0, 1, 59, 200, 3000])
    epsilon, delta = rng.choice([0.01, 0.05, 0.2]), rng.choice([0.001, 0.05, 0.1])
    confidence = [round(rng.random(), 2) for _ in range(count)]
    wrong = [int(rng.random() < (1 - c) * rng.choice([0.05, 0.3])) for c in confidence]
    thresholds = sorted({round(rng.random(), 1) for _ in range(5)}, reverse=True)
    tests, certified = [], None
    for t in thresholds:
        kept = [w for c, w in zip(confidence, wrong) if c >= t]
        n, k = len(kept), sum(kept)
        p = float(stats.binom.cdf(k, n, epsilon)) if n else 1.0
        tests.append({"threshold": t, "n": n, "errors": k, "p": p, "upper": float(stats.beta.ppf(1 - delta, k + 1, n - k)) if k < n else 1.0})
        if p > delta:
            break
        certified = t
    smallest = []
    for k in range(4):
        n = k
        while stats.binom.cdf(k, n, epsilon) > delta:
            n += 1
        smallest.append(n)
    given = {"epsilon": epsilon, "delta": delta, "confidence": confidence, "wrong": wrong, "thresholds": thresholds}
    return given, {"tests": tests, "certified_threshold": certified, "smallest_n_by_errors": smallest, "smallest_n_zero_errors": smallest[0]}


def human_ceiling(rng):
    from scipy.spatial.distance import jensenshannon

    labels = ["a", "b", "c", "d"][: rng.randint(2, 4)]
    items, rows = [], []
    for _ in range(rng.randint(1, 4)):
        m = rng.randint(2, 9)
        humans = [rng.choice(labels) for _ in range(m)]
        model = np.random.default_rng(rng.randrange(10**9)).dirichlet([0.4] * len(labels))
        half = sorted(rng.sample(range(m), m // 2))
        share = lambda people: [sum(humans[i] == label for i in people) / len(people) for label in labels]
        apart = lambda a: float(jensenshannon(share(a), share([i for i in range(m) if i not in a]), base=2))
        every = [apart(c) for c in itertools.combinations(range(m), m // 2)]
        rows.append([float(jensenshannon(model, share(range(m)), base=2)), apart(half), float(np.mean(every))])
        items.append({"humans": humans, "model": model.tolist(), "half": half})
    means = np.mean(rows, axis=0)
    return {"labels": labels, "items": items}, {
        "per_item": rows, "machine_distance": float(means[0]), "ceiling_given_halves": float(means[1]), "ceiling_all_halves": float(means[2])}


def survey(rng):
    from scipy import stats

    k = rng.randint(2, 7)
    positions = rng.choice([list(range(1, k + 1)), sorted(rng.sample(range(-50, 50), k)), list(range(k, 0, -1))])
    draw = lambda: [round(rng.random() * rng.choice([0, 1, 1, 1e-12]), 14) for _ in range(k)]
    model, human = draw(), draw()
    if not sum(model) or not sum(human):
        return None
    p, q = np.array(model) / sum(model), np.array(human) / sum(human)
    x = np.array(positions, dtype=float)
    w = float(stats.wasserstein_distance(x, x, p, q))
    one = {
        "model_distribution": p.tolist(), "human_distribution": q.tolist(), "model_entropy_share": float(stats.entropy(p) / math.log(k)),
        "total_variation": float(abs(p - q).sum() / 2), "wasserstein": w, "representativeness": 1 - w / float(x.max() - x.min()),
        "model_mean": float(p @ x), "model_sd": float(np.sqrt(p @ (x - p @ x) ** 2)),
    }
    if not ((q == 0) & (p > 0)).any():
        one["kl_model_human_nats"] = float(stats.entropy(p, q))
    given = {"questions": [{"positions": positions, "model": {"options": model, "refusal": [0.1]}, "human": {"options": human, "refusal": []}}]}
    return given, {"questions": [one], "questions_used": 1}


def variance_ratio(rng):
    model, human = ([round(rng.gauss(3, rng.choice([0.5, 2])), 1) for _ in range(rng.randint(2, 30))] for _ in range(2))
    m, h = np.array(model), np.array(human)
    if h.std() == 0:
        return None
    pooled = math.sqrt(((len(m) - 1) * m.var(ddof=1) + (len(h) - 1) * h.var(ddof=1)) / (len(m) + len(h) - 2))
    return {"model": model, "human": human}, {
        "sd_model": float(m.std(ddof=1)), "sd_human": float(h.std(ddof=1)), "sd_ratio": float(m.std(ddof=1) / h.std(ddof=1)),
        "cohens_d": float((m.mean() - h.mean()) / pooled)}


def vectors(rng, rows, columns, spread=1.0):
    return [[round(rng.gauss(0, spread), 3) for _ in range(columns)] for _ in range(rows)]


def cosine(rng):
    from sklearn.metrics.pairwise import cosine_similarity

    x = vectors(rng, rng.randint(1, 8), rng.randint(2, 20))
    return {"vectors": x}, {"similarity": cosine_similarity(x).tolist()}


def pca(rng):
    from sklearn.decomposition import PCA

    rows, columns = rng.randint(2, 20), rng.randint(1, 12)
    x = np.array(vectors(rng, rows, columns)) * [10 ** rng.uniform(-2, 2) for _ in range(columns)]
    x = np.round(x, 6)
    fit = PCA(svd_solver="full").fit(x)
    ratio = fit.explained_variance_ratio_
    kept = [i for i in range(len(ratio)) if ratio[i] > 1e-10]
    gaps = np.diff(np.log(ratio[kept]))
    if (abs(gaps) < 0.01).any():
        return None  # axes of nearly equal variance have no direction of their own
    loadings = fit.components_[kept]
    signs = np.sign(loadings[np.arange(len(kept)), abs(loadings).argmax(axis=1)])
    loadings = loadings * signs[:, None]
    scores = (x - x.mean(axis=0)) @ loadings.T
    return {"x": x.tolist()}, {
        "components": len(kept), "loadings": loadings.tolist(), "scores": scores.tolist(),
        "explained_variance": fit.explained_variance_[kept].tolist(), "explained_variance_ratio": ratio[kept].tolist()}


def kmeans(rng):
    from sklearn.cluster import KMeans

    rows, columns, k = rng.randint(5, 40), rng.randint(1, 5), rng.randint(1, 4)
    x = vectors(rng, rows, columns, 3)
    centres = [x[i] for i in rng.sample(range(rows), k)]
    fit = KMeans(n_clusters=k, init=np.array(centres), n_init=1, algorithm="lloyd", tol=0, max_iter=10000).fit(np.array(x))
    return {"x": x, "initial_centres": centres}, {
        "labels": fit.labels_.tolist(), "centres": fit.cluster_centers_.tolist(), "inertia": float(fit.inertia_)}


def cluster_scores(rng):
    from sklearn import metrics

    count = rng.randint(3, 40)
    gold = [rng.choice("abcd") for _ in range(count)]
    skill = rng.random()
    predicted = ["abcd".index(g) if rng.random() < skill else rng.randrange(4) for g in gold]
    x = vectors(rng, count, 3)
    h, c, v = metrics.homogeneity_completeness_v_measure(gold, predicted)
    expected = {"homogeneity": float(h), "completeness": float(c), "v_measure": float(v), "adjusted_rand": float(metrics.adjusted_rand_score(gold, predicted))}
    if 1 < len(set(predicted)) < count:
        expected["silhouette"] = float(metrics.silhouette_score(x, predicted))
    return {"gold": gold, "predicted": predicted, "x": x}, expected


def logistic(rng):
    from sklearn.linear_model import LogisticRegression

    rows, columns, k = rng.randint(8, 40), rng.randint(1, 6), rng.randint(2, 4)
    x = vectors(rng, rows, columns, rng.choice([0.1, 1, 10]))
    y = [i % k for i in range(rows)]
    c = rng.choice([0.01, 1.0, 100.0])
    solver = "newton-cholesky"  # lbfgs stops short of 1e-6 where C is large
    fit = LogisticRegression(C=c, solver=solver, tol=1e-12, max_iter=100000).fit(x, y)
    bias = fit.intercept_ - (fit.intercept_.mean() if k > 2 else 0)
    shift = fit.coef_ - (fit.coef_.mean(axis=0) if k > 2 else 0)
    return {"x": x, "y": y, "C": c}, {
        "classes": list(range(k)), "coefficients": shift.tolist(), "intercepts": bias.tolist(), "probabilities": fit.predict_proba(x).tolist()}


def next_token(rng):
    from scipy import special, stats

    size, temperature = rng.choice([2, 5, 50, 400]), rng.choice([0.1, 0.7, 1.0, 2.0])
    logits = [None if rng.random() < 0.05 else round(rng.gauss(0, rng.choice([1, 8])), 3) for _ in range(size)]
    if all(v is None for v in logits):
        return None
    z = np.array([-np.inf if v is None else v for v in logits]) / temperature
    p, log = special.softmax(z), special.log_softmax(z)
    chosen = [i for i in range(min(size, 3)) if logits[i] is not None]
    order = sorted(range(size), key=lambda i: -z[i])
    h = float(stats.entropy(p))
    return {"logits": logits, "temperature": temperature, "chosen": chosen}, {
        "entropy_nats": h, "entropy_bits": h / math.log(2), "perplexity_of_distribution": math.exp(h),
        "log_probability": [float(log[i]) for i in chosen], "top5": [[i, float(p[i])] for i in order[:5]],
        "probability_outside_top_20": float(sum(p[i] for i in order[20:]))}


def divergence(rng):
    from scipy import stats
    from scipy.spatial.distance import jensenshannon

    k = rng.randint(1, 12)
    draw = lambda: [rng.random() * rng.choice([0, 1, 1, 1e-9, 1e-300]) for _ in range(k)]
    p, q = draw(), draw()
    if not sum(p) or not sum(q):
        return None
    expected = {"js_distance_base2": float(jensenshannon(p, q, base=2)), "entropy_p_bits": float(stats.entropy(p, base=2))}
    forth, back = float(stats.entropy(p, q)), float(stats.entropy(q, p))
    expected |= {"kl_p_q_nats": forth if math.isfinite(forth) else None, "kl_q_p_nats": back if math.isfinite(back) else None}
    return {"p": p, "q": q}, expected


def mcq(rng):
    options = ["A", "B", "C", "D", "E"][: rng.randint(2, 5)]
    count = rng.randint(1, 20)
    answers = [rng.choice(options) for _ in range(count)]
    if rng.random() < 0.5:
        probs = [[round(rng.random(), rng.choice([0, 1, 3])) for _ in options] for _ in range(count)]
        ranked = [[options[i] for i in sorted(range(len(options)), key=lambda i: -row[i])] for row in probs]
        given = {"answers": answers, "options": options, "probs": probs}
    else:
        ranked = [rng.sample(options, rng.randint(0, len(options))) for _ in range(count)]
        given = {"answers": answers, "ranked": ranked}
    each = [next((1 / (r + 1) for r, guess in enumerate(row[:3]) if guess == answer), 0.0) for row, answer in zip(ranked, answers)]
    return given, {"accuracy": float(np.mean([v == 1 for v in each])), "map_at_3": float(np.mean(each)), "per_item": each}


def difference_estimator(rng):
    z = 1.959963984540054
    items = []
    for stratum in range(rng.randint(1, 4)):
        pi = rng.choice([0.3, 0.5, 1.0])
        size = rng.randint(2, 30)
        drawn = set(rng.sample(range(size), size if pi == 1 else max(2, round(size * pi))))
        for i in range(size):
            y = rng.choice([0, 1]) if rng.random() < 0.5 else round(rng.gauss(1, 1), 2)
            f = y if rng.random() < 0.7 else rng.choice([0, 1])
            items.append([stratum, f, y if i in drawn else None, pi])
    N = len(items)
    kept = [item for item in items if item[2] is not None]
    row = lambda e, v: {"estimate": float(e), "se": math.sqrt(v), "low": float(e - z * math.sqrt(v)), "high": float(e + z * math.sqrt(v))}
    mean_f = np.mean([item[1] for item in items])
    estimate, variance = mean_f, 0.0
    for h in sorted({item[0] for item in items}):
        own, labelled = [i for i in items if i[0] == h], [i for i in kept if i[0] == h]
        d = np.array([i[2] - i[1] for i in labelled], dtype=float)
        estimate += len(own) / N * d.mean()
        if len(own) != len(labelled):
            variance += (len(own) / N) ** 2 * (1 - len(labelled) / len(own)) * d.var(ddof=1) / len(labelled)

    def thompson(model):
        d = [(i[2] - model * i[1], i[3]) for i in kept]
        return row(model * mean_f + sum(v / p for v, p in d) / N, sum((1 - p) / p**2 * v * v for v, p in d) / N**2)

    expected = {"N": N, "n": len(kept), "model_only": float(mean_f), "stratified": row(estimate, variance), "horvitz_thompson": thompson(1),
                "human_only_horvitz_thompson": thompson(0), "human_only_hajek": sum(i[2] / i[3] for i in kept) / sum(1 / i[3] for i in kept)}
    return {"columns": ["stratum", "f", "y", "pi"], "items": items}, expected


def option_orders(rng):
    k = rng.randint(2, 5)
    every = list(itertools.permutations(range(k)))
    orders = rng.sample(every, rng.randint(1, min(len(every), 12)))
    orders = [list(order) for order in orders] + ([orders[0]] if rng.random() < 0.1 else [])
    masses = [[round(rng.random() / k * rng.choice([0, 1, 1]), 4) + 1e-4 for _ in range(k)] for _ in orders]
    rows = [np.array(row) / sum(row) for row in masses]
    adjusted, places = np.zeros(k), np.zeros(k)
    tops = []
    for order, row in zip(orders, rows):
        for place, option in enumerate(order):
            adjusted[option] += row[place] / len(orders)
        places += row / len(orders)
        by_option = np.zeros(k)
        by_option[list(order)] = row
        if len(set(by_option)) < k:
            return None  # a tie that rounding decides
        tops.append(int(by_option.argmax()))
    expected = {"orders": len(orders), "adjusted": adjusted.tolist(), "by_position": places.tolist(), "p_first": float(places[0]), "a_bias": float(places[0] - 1 / k),
                "valid_mass": float(np.mean([sum(row) for row in masses])), "share_of_orders_with_the_commonest_answer": max(map(tops.count, tops)) / len(tops)}
    own = [list(row) for order, row in zip(orders, rows) if list(order) == list(range(k))]
    if own:
        expected["unadjusted"] = [float(v) for v in own[0]]
    return {"k": k, "orders": orders, "masses": masses}, expected


def sequence(rng):
    count = rng.choice([1, 2, 30, 5000])
    logs = [None if rng.random() < 0.1 else -abs(rng.gauss(0, rng.choice([0.01, 3, 40]))) for _ in range(count)]
    scored = [v for v in logs if v is not None]
    if not scored or -np.mean(scored) > 100:
        return None
    loss = -math.fsum(scored) / len(scored)
    return {"log_probabilities": logs}, {"tokens": len(scored), "mean_negative_log_probability": loss, "perplexity": math.exp(loss),
                                         "total_bits": -math.fsum(scored) / math.log(2)}


KINDS = [
    mcq, difference_estimator, option_orders, sequence,
    agreement_two, agreement_many, icc, classification, multilabel, probabilities_binary, probabilities_multiclass, wilson, mcnemar,
    paired_bootstrap, rouge, stems, translation, squad, bradley_terry, correlation, ppi_mean, dsl, alt_test, selective_risk,
    human_ceiling, survey, variance_ratio, cosine, pca, kmeans, cluster_scores, logistic, next_token, divergence,
]


def differences(kind, at, expected, got):
    """What of `expected` the program gives otherwise; more keys than expected are allowed."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            yield from differences(kind, f"{at}.{key}", value, got.get(key, "nothing") if isinstance(got, dict) else "nothing")
    elif isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            yield at, expected, got
        else:
            for i, pair in enumerate(zip(expected, got)):
                yield from differences(kind, f"{at}[{i}]", *pair)
    elif isinstance(expected, (int, float)) and isinstance(got, (int, float)) and not isinstance(expected, bool):
        tolerance = 1e-7 if "js_" in at else TOLERANCE.get(kind, 1e-9)
        if abs(got - expected) > tolerance * max(1, abs(expected)):
            yield at, expected, got
    elif expected != got:
        yield at, expected, got


def main():
    out = pathlib.Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    program = sys.argv[4] if "--check" in sys.argv else None
    chosen = sys.argv[5:] if program else []
    out.mkdir(parents=True, exist_ok=True)
    for make in KINDS:
        kind = make.__name__
        if chosen and kind not in chosen:
            continue
        cases, seed = [], 0
        while len(cases) < count:
            case = make(random.Random(f"{kind} {seed}"))
            seed += 1
            if case is not None:
                cases.append({"name": f"library_{seed - 1:03}", "input": case[0], "expected": case[1]})
        lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
        (out / f"{kind}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        if program:
            check(program, kind, out / f"{kind}.json", cases)


def check(program, kind, path, cases):
    ran = subprocess.run([program, "stats", kind, "--input", str(path)], capture_output=True, text=True)
    got = {line["name"]: line["got"] for line in map(json.loads, ran.stdout.splitlines())}
    wrong = 0
    for case in cases:
        found = list(differences(kind, "", case["expected"], got.get(case["name"], "nothing")))
        wrong += bool(found)
        if found and wrong <= 3:
            print(kind, case["name"], found[:3])
    print(f"{kind}: {len(cases) - wrong} of {len(cases)} are the library's", ran.stderr[:300])


if __name__ == "__main__":
    main()
