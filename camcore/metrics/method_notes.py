"""What the methods of a run cannot tell: maps that are the same, and maps that know no class."""

from collections.abc import Iterable, Sequence

import numpy as np

from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MethodName
from camcore.results import Explanation

_SAME = 1e-5  # largest difference of two heatmaps that are equal up to rounding


def method_notes(explanations: Sequence[Explanation], *, linear_head: bool) -> list[str]:
    """Return sentences on maps of one photo and class that are the same, or that are the same for every class.

    `linear_head` is that of the `Layer`. Whether two maps are the same is seen from their values.
    """
    notes = [_same_map(group, linear_head=linear_head) for group in same_maps(explanations)]
    for explanation in explanations:
        method = METHODS[explanation.method]
        if not method.knows_class:
            meaning = "its map is the same for every name, and tells little about this one"
            notes.append(f"{method.title} knows no class: {meaning}.")
    return notes


def same_maps(explanations: Iterable[Explanation]) -> list[list[MethodName]]:
    """Return the groups of methods whose heatmaps show a place and are equal up to rounding.

    Only methods that share the gradients are compared: if others agree, this is evidence. A group has a method beside
    the default ones, whose likeness is a matter of the model; see `Layer.linear_head`.
    """
    groups: list[list[Explanation]] = []
    for explanation in explanations:
        if explanation.shows_a_place and METHODS[explanation.method].gradients:
            heatmap = explanation.heatmap
            same = (group for group in groups if np.abs(group[0].heatmap - heatmap).max() <= _SAME)
            group = next(same, None)
            if group is None:
                groups.append([explanation])
            else:
                group.append(explanation)
    methods = ([explanation.method for explanation in group] for group in groups if len(group) > 1)
    return [group for group in methods if not set(group).issubset(DEFAULT_METHODS)]


def _same_map(methods: Sequence[MethodName], *, linear_head: bool) -> str:
    titles = [METHODS[method].title for method in methods]
    by_average = linear_head and all(METHODS[method].gradients == "gradients" for method in methods)
    reason = ", because after this layer the model only averages and adds up" if by_average else ""
    return f"{', '.join(titles[:-1])} and {titles[-1]} give the same map here{reason}: they count as one."
