"""Whether a prediction is right, and whether the model looked at the target: the four combinations, and counts."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from camcore.metrics.counterfactuals import Finding
from camcore.metrics.prediction_verdict import NameStatus
from camcore.metrics.verdict import HeatPlace

Outcome = Literal[
    "right for the right reason", "right for the wrong reason", "wrong but looking", "wrong and looking away",
    "not judged",
]  # fmt: skip
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
UNDECIDED = -1  # code of a reliance that is not decided

_LOOKS: dict[str | None, bool] = {  # from a finding or, for findings that leave it open, from the place of the heat
    "needs the target": True,
    "either suffices": True,
    "relies on the background": False,
    "on the target": True,
    "off the target": False,
}
_OUTCOMES: dict[tuple[str | None, bool | None], Outcome] = {
    ("right", True): "right for the right reason",
    ("right", False): "right for the wrong reason",
    ("wrong", True): "wrong but looking",
    ("wrong", False): "wrong and looking away",
}
_RELIES: dict[str | None, int] = {
    "relies on the background": 1,
    "needs the target": 0,
    "either suffices": 0,
    "needs both": 0,
}


def judge_outcome(finding: Finding | None, name: NameStatus | None, place: HeatPlace | None) -> Outcome:
    """Return whether a prediction is right, and whether the model looked at the target.

    The finding says whether it looked, as it comes from the model's own answers. If the finding is "needs both", "not
    decided" or None, the place of the heat says so. A `name` other than "right" and "wrong" is not judged.
    """
    looks = _LOOKS.get(finding)
    return _OUTCOMES.get((name, _LOOKS.get(place) if looks is None else looks), "not judged")


def reliance_code(finding: Finding | None) -> int:
    """Return 1 if the finding is that the prediction relies on the background, 0 if not, and -1 if it is not decided.

    "Needs both" is 0: without the target, the model answers something else.
    """
    return _RELIES.get(finding, UNDECIDED)


def count_outcomes(species: NDArray[np.integer], outcome: NDArray[np.integer], species_count: int) -> NDArray[np.int64]:
    """Return the number of photos of each species and outcome, as (species_count, 5) in the order of `OUTCOMES`.

    `species` and `outcome` are codes (n,) of photos from 0. The sum over the first axis counts the whole archive. These
    are counts of photos, not of bursts: photos of one burst may have different outcomes.
    """
    width = len(OUTCOMES)
    codes = species.astype(np.int64) * width + outcome
    return np.bincount(codes, minlength=species_count * width).reshape(species_count, width)
