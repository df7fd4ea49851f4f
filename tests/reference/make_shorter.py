"""The numbers in the test of src/explore/vectors/shorter.rs, by numpy: which items of a scale say nearly the same, and what the shorter
scale is worth.

    python make_shorter.py

prints them; the test holds them as they stand here.
"""

import numpy as np

ITEMS, PEOPLE, KEEP = 9, 40, 2
OWN = np.arange(ITEMS) % 2


def vectors():
    rows = [[np.sin(0.7 * i + 1.3 * j + (j % 2) * OWN[i]) for j in range(5)] for i in range(ITEMS)]
    return np.array(rows).astype(np.float32).astype(np.float64)


def answers():
    """Two traits; every third item is reversed."""
    made = np.empty((PEOPLE, ITEMS))
    for p in range(PEOPLE):
        for i in range(ITEMS):
            trait = np.sin(1.1 * p) if OWN[i] == 0 else np.cos(0.6 * p)
            turn = -1 if i % 3 == 2 else 1
            made[p, i] = np.floor(3.5 + turn * 1.6 * trait + 0.9 * np.sin(2.3 * p + 1.9 * i))
    return made


def alpha(x):
    k = x.shape[1]
    return k / (k - 1) * (1 - x.var(axis=0, ddof=1).sum() / x.sum(axis=1).var(ddof=1))


def main():
    units = vectors() / np.linalg.norm(vectors(), axis=1, keepdims=True)
    cosine, data = units @ units.T, answers()
    data_missing = data[1:]  # the first person left the last item out
    dropped, kept = [], []
    for construct in (0, 1):
        left = [i for i in range(ITEMS) if OWN[i] == construct]
        whole = list(left)
        while len(left) > KEEP:
            one, two = max(((a, b) for n, a in enumerate(left) for b in left[n + 1 :]), key=lambda pair: cosine[pair])
            rest = [i for i in left if i not in (one, two)]
            goes, stays = (one, two) if cosine[one, rest].sum() > cosine[two, rest].sum() else (two, one)
            dropped.append((goes, stays, round(cosine[goes, stays], 6)))
            left.remove(goes)
        kept += left
        x = (data_missing if construct == OWN[ITEMS - 1] else data)[:, whole]
        axis = np.linalg.eigh(np.corrcoef(x.T))[1][:, -1]
        x = x * np.sign(axis * axis[0])
        short = x[:, [whole.index(i) for i in left]]
        print(construct, len(x), alpha(x), alpha(short), np.corrcoef(x.sum(1), short.sum(1))[0, 1], np.sign(axis * axis[0]))
    print(sorted(kept), dropped)


if __name__ == "__main__":
    main()
