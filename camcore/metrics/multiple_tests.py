"""Fisher's exact test of a 2 x 2 table, and the false discovery rate of many tests."""

from math import exp, lgamma

import numpy as np

from camcore.types import Floats

FALSE_DISCOVERY_RATE = 0.05  # expected share of false findings among those that are named


def fisher_greater(count: int, total: int, all_count: int, all_total: int) -> float:
    """Return the one-sided p-value of Fisher's exact test (Fisher 1935) that one group has more than the others.

    The group has `count` of `total`, and all groups together, this one included, have `all_count` of `all_total`. It is
    the probability of `count` or more in a hypergeometric distribution, exact to about 9 digits for a million.
    """
    lowest, highest = max(0, total - (all_total - all_count)), min(total, all_count)
    if count <= lowest:
        return 1.0
    unlike = all_total - all_count - total  # may be negative
    if count * all_total > total * all_count:  # above the mean, where the terms of the upper tail fall
        x = np.arange(count, highest, dtype=np.float64)
        ratios = (all_count - x) * (total - x) / ((x + 1) * (unlike + x + 1))
        return min(_hypergeometric(count, total, all_count, all_total) * (1 + float(np.cumprod(ratios).sum())), 1.0)
    x = np.arange(count - 1, lowest, -1, dtype=np.float64)
    ratios = x * (unlike + x) / ((all_count - x + 1) * (total - x + 1))
    below = _hypergeometric(count - 1, total, all_count, all_total) * (1 + float(np.cumprod(ratios).sum()))
    return max(1 - below, 0.0)


def q_values(p_values: Floats) -> Floats:
    """Return for each of n p-values the lowest false discovery rate at which it is named (Benjamini & Hochberg 1995).

    Naming those of at most r keeps the expected share of false findings among the named at r or below, if the tests
    are independent or positively dependent. If there is nothing to find, r bounds the probability of naming anything.
    """
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * p_values.size / np.arange(1, p_values.size + 1)
    adjusted = np.empty(p_values.size)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return adjusted


def _hypergeometric(count: int, total: int, all_count: int, all_total: int) -> float:
    """Return the probability of `count` in a sample of `total` from `all_total`, of which `all_count` count."""
    pairs = ((all_count, count), (all_total - all_count, total - count))
    return exp(sum(_log_binomial(*pair) for pair in pairs) - _log_binomial(all_total, total))


def _log_binomial(total: int, count: int) -> float:
    return lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)
