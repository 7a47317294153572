"""The texts of the tab Compare, and the titles of the page and its tabs."""

import math
from collections.abc import Sequence

from camcore.formatting import percent, seconds
from camcore.images.decoded_photo import DAMAGE_NOTES
from camcore.images.preprocess import View
from camcore.methods.method_table import METHODS
from camcore.metrics.thresholds import SEES_ALL
from camcore.model.manifest import Head
from camcore.results import Explanation

TITLE = "What did the classifier look at?"
LEAD = "Choose a photo. The model says what it sees, and heatmaps show which parts of the photo supported each answer."
COMPARE = "Compare"
MANY = "Many photos"
ABOUT = "About"

PHOTO = "Photo"
PHOTO_ALT = "The photo you chose"
PREDICTIONS = "What the model sees"
PREDICTIONS_HINT = "Choose a name to see which parts of the photo support it."
ANY_CLASS = "Ask about another name"
ANY_CLASS_HINT = "Type a name that the model knows; a list opens as you type. Or type its number in that list."
EXPLAIN = "Explain"
STOP = "Stop"
EXAMPLES = "Examples"
SAW_WHOLE = "The model saw the whole photo."
SAW_BOX = "The model saw the box of the animal only."
SHOW = {"crop": "Show it the whole photo", "squash": "Show it the centre only"}

BEGIN = "Choose a photo or one of the examples."
LOOKING = "Looking at the photo…"
STOPPED = "Stopped."

SCALE = "least and most support in each heatmap. Every heatmap has a hottest place, even the heatmap of a wrong name."
LOOK_ALIKE = (
    "In this model, Grad-CAM and Grad-CAM++ are computed in almost the same way, so their heatmaps look alike. "
    "Agreement between these two does not make the result more certain."
)
HEADS: dict[Head, str] = {
    "softmax": "",
    "one logit": " What supports one of its two names is what speaks against the other.",
    "multi-label": " Several names may be right at once, so their probabilities do not add up to 100%.",
}
OPACITY = "Opacity"
COLOURS = "Colours"
SETTINGS = "How it is computed"
MORE_METHODS = "More methods"
MORE_METHODS_HINT = "Each adds a heatmap beside the three. They are other ways to compute it, not better ones."
EFFORT = "Score-CAM"
EFFORT_HINT = "Quick computes the features that matter most and estimates the rest. Complete computes all of them."
EFFORTS = {"fast": "Quick (seconds)", "exact": "Complete (minutes)"}
RESIZE_MODE = "What the model is shown"
RESIZE_MODE_HINT = "The model needs a picture of one shape."
RESIZE_MODES = {
    "crop": "The centre of the photo",
    "squash": "The whole photo, squeezed",
    "pad": "The whole photo, with plain borders",
}
DEFINITION = "Score-CAM variant"
DEFINITION_HINT = "Published programs compute Score-CAM in different ways. Each choice reproduces one of them."
MODEL = "Model"
MODEL_HINT = "Models know different names, and may look at different parts of a photo."

ON_TARGET = "Is the heat on the animal?"
ON_TARGET_HINT = (
    "Click two opposite corners of the animal on the photo, or type the edges of a box around it, in percent of the "
    "photo’s width and height. The page then says how much of the heat is on the animal."
)
EDGES = {"left": "Left", "top": "Top", "right": "Right", "bottom": "Bottom"}
CLEAR_BOX = "Remove the box"
OTHER_CORNER = "Now click the opposite corner."
NO_SPAN = "These corners do not span a box: click two others."
NO_BOX = "These edges do not make a box: left must be less than right, and top less than bottom, each from 0 to 100."
TOO_EARLY = "Choose a photo first, and wait for its heatmaps."

NEEDED = "Does the name need the animal?"
NEEDED_HINT = (
    "The model is asked again, with the marked animal or the rest of the photo hidden. Without a box, the hottest "
    "fifth of the Score-CAM heatmap stands for the animal. A hidden part looks unlike any photo, so it is hidden in "
    "two ways, and only what both show counts."
)
HOTTEST_FIFTH = "hottest fifth"
BEFORE = "what the model saw"

FAITHFUL = "Do the hot places matter to the model?"
FAITHFUL_HINT = (
    "For each heatmap, the hottest places are hidden step by step, and then brought back step by step. At each step "
    "the model says again how probable the name is."
)
MEASURE = "Measure"
MEASURING = "Asking the model…"
CURVES = ("Hide the hottest places first: how fast does it fail?", "Bring them back first: how fast does it recover?")
CURVE_AXES = ("pixels hidden, hottest first", "pixels brought back, hottest first")
CURVE_HINTS = (
    "Deletion. The probability falls early if the heatmap is faithful to the model.",
    "Insertion. The probability rises early if the heatmap is faithful to the model.",
)
METRICS_BY_METHOD = "Metrics by method"
AGREEMENT = "How alike the heatmaps are"
AGREEMENT_HINT = (
    "Spearman’s correlation compares the order of all places, from coldest to hottest: 1 is the same order. Overlap is "
    "the part that the hottest fifths of two heatmaps share."
)

CONTRAST = "Why this name rather than another?"
CONTRAST_HINT = "These heatmaps show which parts of the photo support one name more than the other, in both directions."
CONTRAST_CLASS = "Rather than"
NO_CONTRAST_CLASS = "Type the other name first."
CONTRAST_BUTTON = "Compare the two names"

DOWNLOAD_PICTURE = "Comparison (PNG)"
DOWNLOAD_ALL = "Everything (zip)"
COPY_LINK = "Copy the link"
LINK_COPIED = "Link copied"
MAKING_FILE = "Making the file…"


def runs(explanation: Explanation) -> str:
    """Return how often Score-CAM has run the model, and how alike its heatmap is to the complete one, rounded down."""
    if explanation.fidelity_estimate is None:
        return f"{explanation.forwards:,} of {explanation.channels_alive:,} runs of the model"
    if explanation.fidelity_estimate == 1:
        return f"all {explanation.channels_alive:,} runs of the model"
    alike = math.floor(1000 * explanation.fidelity_estimate) / 10
    return f"{explanation.forwards:,} of {explanation.channels_alive:,} runs, {alike:.1f}% like the complete heatmap"


def cost(explanation: Explanation) -> str:
    """Return the time that a heatmap took, how far Score-CAM has run, and whether the heatmap is empty."""
    parts = [seconds(explanation.seconds)]
    if explanation.forwards is not None:
        parts.append(runs(explanation))
    if not explanation.shows_a_place:
        parts.append("nothing supports this name" if explanation.peak <= 0 else "the same everywhere")
    return ", ".join(parts)


def seen(view: View) -> str:
    """Return a sentence on how much of the photo the model saw, and one on damage of its file."""
    extent = SAW_WHOLE if view.share >= SEES_ALL else f"The model saw the middle {percent(view.share)} of the photo."
    damage = f" The photo is {DAMAGE_NOTES[view.damage]}." if view.damage else ""
    return (SAW_BOX if view.of_box else extent) + damage


def waiting(ahead: int) -> str:
    """Return a sentence on how many requests run before a visitor's."""
    return f"Waiting: {'one photo is' if ahead == 1 else f'{ahead} photos are'} before yours."


def stopped(explanations: Sequence[Explanation], timeout: float | None) -> str:
    """Return how far an explanation came that the visitor stopped, or that took longer than `timeout` seconds."""
    begin = "Stopped" if timeout is None else f"Stopped after {timeout:g} seconds"
    growing = next((explanation for explanation in explanations if not explanation.complete), None)
    remedy = "" if timeout is None else " Choose less effort for complete heatmaps."
    if growing is not None:
        extent = f"at {growing.forwards:,} of {growing.channels_alive:,} runs"
        return f"{begin} {extent}. The verdict is about the heatmaps so far.{remedy}"
    if not explanations:
        return f"{begin} before the first heatmap.{remedy}"
    titles = " and ".join(METHODS[explanation.method].title for explanation in explanations)
    return f"{begin} after {titles}: the verdict is about these.{remedy}"
