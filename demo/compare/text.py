"""The sentences of the tabs Compare and Many photos."""

from camcore.model.manifest import Manifest

TITLE = "What did the classifier look at?"
LEAD = "Give it a photo. It says what it sees, and three methods show which part of the photo spoke for that."

TARGET = "animal"
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
FAILED = "Something failed on our side; the terminal says more. Try again, or another photo."

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


def fallback(reason: str, model: str) -> str:
    """Why the page uses another model than ResNet-50, and how to get that later."""
    return (
        f"{reason[:1].upper()}{reason[1:]}; until then this page uses {model}, "
        "and running `python -m export` and starting the demo again brings ResNet-50 later."
    )


def not_preferred(model: str) -> str:
    """That the page uses the model it found, and how to get ResNet-50."""
    return f"This page uses {model}, the model that is here; for ResNet-50, run `python -m export` with a network."


# Many photos

MANY = "Many photos"
MANY_LEAD = (
    "Give it several photos, or a zip of them. Each is explained like one in Compare, and gets a row with what it was "
    "called, what to worry about, and the figures. In a zip, a folder is a species."
)
MANY_UPLOAD = "Photos, or a zip"
MANY_BOXES = "Where the animals are (optional)"
MANY_BOXES_HINT = "The JSON file of MegaDetector or SpeciesNet. Without it there is no lift."
MANY_START = "Start"
MANY_STOP = "Stop"
MANY_REPORT = "Download the report"
MANY_CSV = "Download the figures (CSV)"
MANY_BEGIN = "Choose photos, then start."
MANY_PREPARING = "Getting the photos ready…"
MANY_STOPPING = "Stopping after the photo being explained…"
MANY_CALM = "nothing to worry about"
MANY_TABLE = "What was found in each photo, one a row"
MANY_FIGURES = "What the figures mean"
MANY_SORT = "Sort by"
MANY_COLUMNS = {
    "picture": "Picture",
    "file": "File",
    "species": "Species",
    "called": "Called",
    "worries": "To look at",
    "lift": "Lift",
    "deletion_auc": "Deletion",
    "insertion_auc": "Insertion",
    "seconds": "Seconds",
}

NO_UPLOAD = "Choose photos or a zip first."
NO_PHOTO = "There is no photo in what you chose: use JPEG, PNG, WebP, BMP, TIFF, MPO or GIF, or a zip of them."


def too_many_photos(count: int, most: int) -> str:
    """That there are more photos than the page takes."""
    return f"These are {count:,} photos, and {most:,} at a time is the most: take some out."


def too_many_files(most: int) -> str:
    """That there are more files than the page takes."""
    return f"These are more than {most:,} files: take out what is no photo."


def too_large(name: str, megabytes: int) -> str:
    """That one file is larger than the page takes."""
    return f"“{name}” is larger than {megabytes} MB: make it smaller, or take it out."


def too_much(megabytes: int) -> str:
    """That all files together are larger than the page takes."""
    return f"All of it is larger than {megabytes} MB unpacked: take some out."


def gone(name: str) -> str:
    """That an upload was cleared away, as all are after a while."""
    return f"“{name}” was cleared away in the meantime: choose it again."


def damaged_zip(name: str) -> str:
    """That a zip cannot be read."""
    return f"“{name}” is damaged, or no plain zip: pack it again."


def locked_zip(name: str) -> str:
    """That a zip has a password."""
    return f"“{name}” is locked with a password: pack it again without one."


def zip_leads_out(name: str) -> str:
    """That a zip would write outside its folder."""
    return f"“{name}” has a path that leads out of it: pack it again from inside its folder."


def cannot_unpack(name: str) -> str:
    """That a file cannot be put where the study needs it."""
    return f"“{name}” cannot be unpacked here: rename it, or try with fewer photos."


def passed_over(name: str, count: int) -> str:
    """That a zip holds links or zips, which are not followed."""
    return f"“{name}” holds {count:,} {'link or zip, which is' if count == 1 else 'links or zips, which are'} left out."


def many_running(number: int, total: int) -> str:
    """Which photo is being explained."""
    return f"Photo {number:,} of {total:,}…"


def many_stopped(done: int, total: int) -> str:
    """How far it came before it was stopped."""
    return f"Stopped after {done:,} of {total:,} photos. Start goes on from there."


def many_done(total: int, worrying: int, failed: int) -> str:
    """What has been done, and what is worth doing next."""
    look = {0: "none to worry about", 1: "1 is worth a look"}.get(worrying, f"{worrying:,} are worth a look")
    bad = f", {failed:,} cannot be read" if failed else ""
    return f"Done: {total:,} {'photo' if total == 1 else 'photos'}; {look}{bad}."


def many_means(lift: bool) -> str:
    """What the figures of a row are."""
    named = "Lift, deletion and insertion" if lift else "Deletion and insertion"
    return f"{named} are means over the three methods. ↑ higher is better, ↓ lower is better."


def many_open(name: str) -> str:
    """What choosing a row does, for those who do not see it."""
    return f"Open {name} in Compare"


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
