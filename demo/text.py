"""Every sentence of the page, in one place."""

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
FITS = {"crop": "The centre square, as it was trained", "squash": "The whole photo, squeezed"}

BEGIN = "Choose a photo, or one of the examples, to begin."
LOOKING = "Looking at the photo…"
STOPPED = "Stopped. Score-CAM shows what had been run by then."
FAILED = "Something failed on our side; the terminal says more. Try again, or another photo."

SCALE = "least and most evidence within each map"
LOOK_ALIKE = (
    "This model ends in an average and one linear layer. There, Grad-CAM is exactly the classic class activation map "
    "and Grad-CAM++ a reweighting of it, so two alike maps are one witness, not two."
)


def running(extent: str) -> str:
    """What Score-CAM is doing."""
    return f"Score-CAM so far: {extent}."


def done(name: str, seconds: str) -> str:
    """What has been done."""
    return f"Done: all three maps for “{name}” in {seconds}."


def fallback(reason: str, model: str) -> str:
    """Why the page uses another model than ResNet-50, and how to get that later."""
    return (
        f"{reason[:1].upper()}{reason[1:]}; until then this page uses {model}, "
        "and running `python -m export` and starting the demo again brings ResNet-50 later."
    )


def not_preferred(model: str) -> str:
    """That the page uses the model it found, and how to get ResNet-50."""
    return f"This page uses {model}, the model that is here; for ResNet-50, run `python -m export` with a network."
