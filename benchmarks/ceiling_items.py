"""What is known of items, for `ceiling.py`: what others think of them, and how alike they are.

Users who are judged add nothing to it. The vocabulary of titles and categories takes in all items, since it is no
knowledge of users; how common a word is, is counted in the items of users who fit the predictor.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import normalize

from ceiling_ratings import Ratings

Floats = NDArray[np.float64]

YEAR = re.compile(r"\((1[89]\d\d|20\d\d)\)\s*$")
WORD = r"[^\W_]{2,}"
FOLDS = 5
"""Folds of the users who fit the predictor: what is known of items for a user comes from the other folds."""
RIDGE_PENALTY = 30.0
RIDGE_LEAST_TITLES = 3
"""Titles that a word, or a pair of words, needs to have a coefficient."""
SHRINKAGE_RATINGS = 8.0
"""Average ratings that are added to each item."""
COMPANY_DIMENSIONS = 50


@dataclass(frozen=True)
class Standing:
    """What others think of each user's items, relative to what they usually give; shape (users, slots) each.

    Attributes:
        suggested: What title words and categories suggest.
        effect: The shrunk mean of the item's own ratings.
        count: Ratings of the item.
        both: The mean of the item's own ratings, shrunk towards what is suggested.
    """

    suggested: Floats
    effect: Floats
    count: Floats
    both: Floats


def standing(ratings: Ratings, seed: int) -> Standing:
    """Return what is known of each user's items from the ratings of other users who fit the predictor."""
    fold_of = np.random.default_rng(seed).permutation(len(ratings.judged)) % FOLDS
    features = _described(ratings)
    deviation = ratings.rating - _means(ratings)[:, None]
    found = Standing(*(np.zeros_like(ratings.rating) for _ in range(4)))
    for fold in range(FOLDS + 1):
        users = ratings.judged if fold == FOLDS else ~ratings.judged & (fold_of == fold)
        from_ = ratings.is_real & (~ratings.judged & (fold_of != fold))[:, None]
        if users.any():
            _fill(found, users, ratings.item, ratings.item[from_], deviation[from_], features)
    return found


def likenesses(ratings: Ratings, slots: int, seed: int) -> dict[str, Floats]:
    """Return how alike a user's items are, in several ways.

    Args:
        ratings: The ratings.
        slots: Slots to compare, from the first on.
        seed: Seed of the dimensions of company.

    Returns:
        Likeness of words in titles; of the company that these words keep in users' windows; of categories, if there are
        any; and 1 for the same item. Shape (users, slots, slots) each, from −1 or 0 to 1.
    """
    words = _frequencies(ratings, [_text(title) for title in ratings.titles])
    sets = {"words": words, "company": sparse.csr_matrix(_company(ratings, words, seed))}
    if any(ratings.categories):
        sets["categories"] = _categories(ratings)
    item = ratings.item[:, :slots]
    found = {name: np.stack([(of[own] @ of[own].T).toarray() for own in item]) for name, of in sets.items()}
    return found | {"same": (item[:, :, None] == item[:, None, :]).astype(np.float64)}


def _fill(
    found: Standing,
    users: NDArray[np.bool_],
    item: NDArray[np.int64],
    rated: NDArray[np.int64],
    deviation: Floats,
    features: sparse.csr_matrix,
) -> None:
    """Fill in the items of some users, from the ratings of others."""
    ridge = Ridge(alpha=RIDGE_PENALTY, solver="sparse_cg", tol=1e-3).fit(features[rated], deviation)
    suggested = ridge.predict(features)
    total, count = (np.bincount(rated, weights, features.shape[0]) for weights in (deviation, None))
    own = item[users]
    found.suggested[users] = suggested[own]
    found.effect[users] = (total / (count + SHRINKAGE_RATINGS))[own]
    found.count[users] = count[own]
    found.both[users] = ((total + SHRINKAGE_RATINGS * suggested) / (count + SHRINKAGE_RATINGS))[own]


def _means(ratings: Ratings) -> Floats:
    """Each user's mean rating; shape (users,)."""
    return np.nansum(ratings.rating, axis=1) / np.maximum(ratings.is_real.sum(axis=1), 1)


def _described(ratings: Ratings) -> sparse.csr_matrix:
    """Features of items for the ridge regression: words and pairs of words in titles, and categories."""
    texts = [_text(title) for title in ratings.titles]
    own = [texts[i] for i in ratings.fitting_items]
    words = TfidfVectorizer(
        token_pattern=WORD,
        ngram_range=(1, 2),
        min_df=min(RIDGE_LEAST_TITLES, len(own)),
        sublinear_tf=True,
        stop_words="english",
    )
    found = [_transformed(words, own, texts)]
    if any(ratings.categories):
        found.append(_categories(ratings))
    return sparse.csr_matrix(sparse.hstack(found))


def _transformed(words: TfidfVectorizer, own: Sequence[str], texts: Sequence[str]) -> sparse.csr_matrix:
    """Texts as weights of words; without a column if no word is common enough."""
    try:
        return sparse.csr_matrix(words.fit(own).transform(texts))
    except ValueError:
        return sparse.csr_matrix((len(texts), 1))


def _frequencies(ratings: Ratings, texts: Sequence[str]) -> sparse.csr_matrix:
    """Titles as weights of their words: rows of length 1, or 0 without words; shape (items, words)."""
    words = CountVectorizer(token_pattern=WORD, stop_words="english", binary=True)
    try:
        found = words.fit_transform(texts)
    except ValueError:
        return sparse.csr_matrix((len(texts), 1))
    return _weighed(found, ratings)


def _categories(ratings: Ratings) -> sparse.csr_matrix:
    """Items as weights of their categories: rows of length 1, or 0 without categories; shape (items, categories)."""
    return _weighed(CountVectorizer(analyzer=sorted).fit_transform(ratings.categories), ratings)


def _weighed(found: sparse.csr_matrix, ratings: Ratings) -> sparse.csr_matrix:
    """Indicators, weighed by how rare they are among items of users who fit the predictor."""
    own = found[ratings.fitting_items]
    rare = np.log((1 + own.shape[0]) / (1 + np.asarray(own.sum(axis=0)).ravel())) + 1
    return normalize(sparse.csr_matrix(found @ sparse.diags(rare)))


def _company(ratings: Ratings, words: sparse.csr_matrix, seed: int) -> Floats:
    """Titles as directions in a space where words are near that the same users' items have; shape (items, ≤ 50)."""
    user, slot = np.nonzero(ratings.is_real & ~ratings.judged[:, None])
    taken = sparse.csr_matrix(
        (np.ones(len(user)), (user, ratings.item[user, slot])), shape=(len(ratings.judged), len(ratings.titles))
    )
    by_user = normalize((taken @ words).log1p())
    dimensions = min(COMPANY_DIMENSIONS, min(by_user.shape) - 1)
    if dimensions < 1:
        return np.zeros((len(ratings.titles), 1))
    axes = TruncatedSVD(dimensions, random_state=seed).fit(by_user).components_.T
    return normalize(words @ axes)


def _text(title: str) -> str:
    """A title with its decade as a word, if a year in brackets ends it."""
    year = YEAR.search(title)
    return f"{title} decade{int(year[1]) // 10}" if year else title
