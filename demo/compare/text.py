"""The texts of the tab Compare."""

from camcore.model.manifest import Manifest

TITLE = "What did the classifier look at?"
LEAD = "Give it a photo. It says what it sees, and three methods show which part of the photo spoke for that."

PHOTO = "Photo"
PREDICTIONS = "What it sees"
PREDICTIONS_HINT = "Choose one to see what speaks for it."
ANY_CLASS = "Or any other class"
ANY_CLASS_HINT = "Type a name, or an index."
EXPLAIN = "Explain"
STOP = "Stop"
EXAMPLES = "Examples"
OPACITY = "Opacity"
COLOURS = "Colours"
SETTINGS = "How it is computed"
DEFINITION = "Score-CAM as defined in"
DEFINITION_HINT = "Public implementations differ; each choice reproduces one of them."
EFFORT = "Score-CAM runs"
EFFORT_HINT = "The fast map predicts the channels that it does not run."
EFFORTS = {"fast": "The channels that tell most", "exact": "Every channel, exhaustively"}
FIT = "What the model is shown"
FIT_HINT = "Its input is square; a photo seldom is."

METHOD_HINTS = {
    "grad-cam": "Weighs each feature by its average gradient.",
    "grad-cam++": "Weighs where a feature's gradient is positive; kinder to several animals.",
    "score-cam": "Hides all but one feature at a time and asks the model again. No gradients. "
    "Fidelity estimates the correlation with the map from all features.",
}
COMPARE = "Compare"
MODEL = "Model"
MODEL_HINT = "Each was exported with `python -m export`."

ON_TARGET = "Is it on the animal?"
ON_TARGET_HINT = (
    "Click two opposite corners of the animal on the photo, or type the edges of a box around it, in percent of the "
    "photo's width and height."
)
EDGES = {"left": "Left", "top": "Top", "right": "Right", "bottom": "Bottom"}
CLEAR_BOX = "Remove the box"
OTHER_CORNER = "Now click the opposite corner."
NO_BOX = "These edges make no box: left must be less than right, and top less than bottom, from 0 to 100."
TOO_EARLY = "Choose a photo first; the answer comes with its maps."
FAITHFUL = "How faithful is each map?"
FAITHFUL_HINT = "Takes away, and gives back, what each map points at, and asks the model again: about 200 times."
MEASURE = "Measure"
MEASURING = "Asking the model…"
CONTRAST = "Why this rather than that?"
CONTRAST_HINT = (
    "What speaks for one class and against the other, and the reverse: the maps of the difference of their two scores."
)
RATHER_THAN = "Rather than"
CONTRAST_BUTTON = "Show the contrast"
CURVES = ("The hottest pixels taken away", "The hottest pixels given back")
CURVE_AXES = ("pixels taken away, hottest first", "pixels given back, hottest first")
CURVE_HINTS = ("A faithful map makes it fall early.", "A faithful map makes it rise early.")
AGREEMENT = "How far the maps agree"
AGREEMENT_HINT = (
    "Spearman compares the order of all pixels, from coldest to hottest; overlap is what the hottest fifths share."
)

FITS = {"crop": "The centre square, as it was trained", "squash": "The whole photo, squeezed"}

BEGIN = "Choose a photo, or one of the examples, to begin."
LOOKING = "Looking at the photo…"
STOPPED = "Stopped. Score-CAM shows what had been run by then."

SCALE = "least and most evidence within each map"
LOOK_ALIKE = (
    "This model ends in an average and one linear layer. There, Grad-CAM is exactly the classic class activation map "
    "and Grad-CAM++ a reweighting of it, so two alike maps are one witness, not two."
)


def rather(first: str, second: str) -> str:
    """The heading of one direction of a contrast."""
    return f"{first} rather than {second}"


def described(manifest: Manifest) -> str:
    """What a model is, in one line and a half."""
    said = (
        f"{manifest.model}, weights {manifest.weights}, layer {manifest.target_layer} "
        f"({manifest.map_size[0]} × {manifest.map_size[1]}, {manifest.channels:,} channels), "
        f"{len(manifest.labels):,} classes."
    )
    said += f" Differs from the eager model by {manifest.parity['worst_share_of_range']:.0e} of the logits' range."
    if manifest.int8 is None:
        return f"{said} No int8 model was asked for."
    if not manifest.int8.used:
        return f"{said} Its int8 model was not kept: {manifest.int8.speed_up:.1f} times as fast."
    return f"{said} In int8 {manifest.int8.speed_up:.1f} times as fast, fidelity {manifest.int8.fidelity_mean:.3f}."


def running(extent: str) -> str:
    """What Score-CAM is doing."""
    return f"Score-CAM so far: {extent}."


def done(name: str, seconds: str) -> str:
    """What has been done."""
    return f"Done: all three maps for “{name}” in {seconds}."


MANY = "Many photos"


# About, and what to take along

TAKE_PICTURE = "Comparison as PNG"
TAKE_ALL = "Everything as a zip"
TAKE_COPY = "Copy the link"
TAKE_COPIED = "Link copied"
TAKING = "Making the file…"
TAKE_LINK = "Link to this example, class and settings"
TAKE_LINK_OWN = "Link to this class and these settings."
TAKE_LINK_OWN_NOTE = "Your photo stays with you: whoever opens the link gives one of their own."
TAKE_NOTHING = "There is nothing to take yet: explain a photo first."
TAKE_FAILED = "The file could not be made; the terminal says more. Explain the photo again, and try once more."

ABOUT = "About"
