"""The numbers in the tests of src/explore/vectors, by scikit-learn 1.9.1 and umap-learn 0.5.12.

    python make_vectors.py

prints them; the tests hold them as they stand here.
"""

import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import confusion_matrix, f1_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from umap.umap_ import fuzzy_simplicial_set


def waves(count):
    rows = [[np.sin(0.7 * i + 1.3 * j) / (j + 1) for j in range(5)] for i in range(count)]
    return np.array(rows).astype(np.float32).astype(np.float64)


def logistic():
    rows = waves(30)
    for count in (2, 3):
        classes = np.arange(30) % count
        model = LogisticRegression(C=1, tol=1e-10, max_iter=10000).fit(rows, classes)
        p = model.predict_proba(rows)
        loss = -np.log(p[np.arange(30), classes]).sum() + (model.coef_**2).sum() / 2
        print("logistic", count, loss)


def ridge():
    for count in (30, 4):
        rows = waves(30)[:count]
        model = Ridge(alpha=0.5, solver="cholesky").fit(rows, np.cos(np.arange(count)))
        print("ridge", count, [*model.coef_, model.intercept_])


def probes():
    rows = waves(60)
    sine = np.sin(0.7 * np.arange(60) + 0.9) + 0.8 * np.sin(2.9 * np.arange(60))
    labels = np.where(sine > 0.5, "high", np.where(sine < -0.5, "low", "middle"))
    model = LogisticRegression(C=10, tol=1e-10, max_iter=10000)
    found = cross_val_predict(model, rows, labels, cv=StratifiedKFold(4))
    print("labels", confusion_matrix(labels, found).tolist(), f1_score(labels, found, average="macro"))
    values = np.cos(np.arange(60))
    found = cross_val_predict(Ridge(alpha=0.5), rows, values, cv=KFold(4))
    print("numbers", np.corrcoef(values, found)[0, 1], r2_score(values, found))
    classes = [2, 0, 0, 1, 2, 0, 1, 0, 2, 1, 0]
    folds = np.zeros(11, int)
    for fold, (_, tested) in enumerate(StratifiedKFold(3).split(classes, classes)):
        folds[tested] = fold
    print("stratified", folds.tolist())


def graph():
    points = np.array([[0.0], [1.0], [1.5], [4.0], [4.25], [9.0]], np.float32)
    weights = fuzzy_simplicial_set(points, 5, np.random.RandomState(0), "euclidean")[0].toarray()
    print("graph", [(i, j, round(float(weights[i, j]), 6)) for i in range(6) for j in range(i + 1, 6)])


def clusters():
    """Three uneven groups and noise, by a fixed rule without random numbers."""
    points = []
    for i in range(150):
        group, turn = i % 3, i * 0.61803398875 % 1 * 2 * np.pi
        radius = [0.5, 1.2, 2.5][group] * np.sqrt(i * 0.7548776662 % 1)
        points.append([group * 4 + radius * np.cos(turn), (group % 2) * 3 + radius * np.sin(turn)])
    points += [[i * 0.5698402909 % 1 * 14 - 3, i * 0.7548776662 % 1 * 10 - 3] for i in range(1, 16)]
    points = np.array(points).astype(np.float32).astype(np.float64)
    for least, samples in ((8, 8), (12, 4)):
        found = HDBSCAN(min_cluster_size=least, min_samples=samples, copy=True).fit_predict(points)
        print("hdbscan", least, samples, found.tolist())


for part in (logistic, ridge, probes, graph, clusters):
    part()
