"""The texts of the tab Many photos."""

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
