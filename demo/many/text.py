"""The texts of the tab Many photos."""

LEAD = (
    "Choose several photos, or a zip of them. Each is explained as in Compare and gets a row: what the model "
    "predicted, warnings, and metrics. In a zip, the name of a folder is the species."
)
UPLOAD = "Photos, or a zip"
BOXES = "Where the animals are (optional)"
BOXES_HINT = (
    "The JSON file of MegaDetector or SpeciesNet. With it, the table can say whether the heat is on the animal."
)
START = "Start"
STOP = "Stop"
REPORT = "Download the report"
CSV = "Download the metrics (CSV)"
READY = "Choose photos, then press Start."
NO_UPLOAD = "Choose photos or a zip first."
PREPARING = "Preparing the photos…"
STOPPING = "Stopping after the current photo…"
NO_WARNINGS = "no warnings"
TABLE = "Results, one row per photo"
METRICS = "What the metrics mean"
SORT_BY = "Sort by"
COLUMNS = {
    "thumbnail": "Photo",
    "file": "File",
    "species": "Species",
    "prediction": "Predicted",
    "warnings": "Warnings",
    "lift": "Lift",
    "deletion_auc": "Deletion",
    "insertion_auc": "Insertion",
    "seconds": "Seconds",
}


def running(number: int, total: int) -> str:
    """Return the status while a photo is explained, by its number from 1."""
    return f"Photo {number:,} of {total:,}…"


def stopped(done: int, total: int) -> str:
    """Return the status of a study that was stopped before its end."""
    return f"Stopped after {done:,} of {total:,} photos. Press Start to continue."


def finished(total: int, with_warnings: int, failed: int) -> str:
    """Return the status of a finished study: how many photos have warnings, and how many cannot be read."""
    photos = f"{total:,} {'photo' if total == 1 else 'photos'}"
    unreadable = f", {failed:,} cannot be read" if failed else ""
    return f"Done: {photos}; {f'{with_warnings:,}' if with_warnings else 'none'} with warnings{unreadable}."


def metrics_note(lift: bool) -> str:
    """Return the note above the table, which depends on whether it has the column for lift."""
    names = "Lift, deletion and insertion" if lift else "Deletion and insertion"
    return f"{names} are means over the three methods. ↑ higher is better, ↓ lower is better."


def open_photo(name: str) -> str:
    """Return the tooltip of a photo's name."""
    return f"Open {name} in Compare"


def thumbnail(name: str) -> str:
    """Return the text alternative of a photo's thumbnail."""
    return f"What the model saw of {name}"
