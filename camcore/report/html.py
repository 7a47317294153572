"""A study's report: one HTML file that stands alone, for a browser or for paper."""

import base64
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from camcore import formatting as text
from camcore.drawing.output import save_text
from camcore.methods.grad_cam import METHODS
from camcore.metrics.verdict import SEVERE
from camcore.report import notes as remarks
from camcore.report import plots, summary
from camcore.report.metrics_table import MISSING, SECTIONS, number
from camcore.report.summary import Record, SpeciesSummary

SIDE = 224  # pixels of a picture, at most
THUMBNAIL = 120
_QUALITY = 80  # of WebP, in percent
_FIRST = 24  # photos to worry about that are not folded away
_DEFAULT_TARGET = "animal"
LEARNT_NOTHING = 0.7  # a correlation with maps of random models from which on the map says little of this one


@dataclass(frozen=True)
class ReportPhoto:
    """A record and how the report names it, with what is worth saying about what it lacks."""

    anchor: str
    record: Record
    missing: tuple[str, ...]


def write_report(path: Path, study: Mapping[str, Any], records: Sequence[Record]) -> None:
    """Write the report of a study to `path`, with the pictures of its folder inside.

    `records` are one a photo, as the study keeps them; a picture that is not there is said to be missing.

    Raises:
        OutputError: if it cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": text.percent, "seconds": text.seconds, "words": words, "number": number}
    environment.filters |= {"capfirst": lambda said: said[:1].upper() + said[1:], "breakable": breakable}
    environment.globals |= {"METHODS": METHODS, "SECTIONS": SECTIONS, "MISSING": MISSING, "of_photo": summary.of_photo}
    environment.globals |= {"picture": partial(picture, path.parent), "agreement_of": remarks.agreement_of}
    environment.globals |= {"SEVERE": SEVERE, "LEARNT_NOTHING": LEARNT_NOTHING}
    environment.globals |= {"PLACES": summary.PLACES, "STATUSES": summary.STATUSES, "THUMBNAIL": THUMBNAIL}
    page = environment.get_template("report.html.jinja").render(**_context(study, records))
    save_text(path, page.lstrip())


def picture(folder: Path, name: str, side: int = SIDE) -> str:
    """A picture of the folder as a data URI of WebP, at most `side` pixels wide and high; "" if it cannot be read."""
    try:
        with Image.open(folder / name) as opened:
            image = opened.convert("RGB")
    except OSError:
        return ""
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def breakable(path: str) -> Markup:
    """A path that a narrow column may break after a slash or an underscore, before it breaks within a word."""
    return Markup(re.sub(r"([/_])", r"\1<wbr>", str(escape(path))))


def words(value: object) -> str:
    """A setting as people read it: None is a dash, a truth yes or no, a list its entries."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {words(held)}" for key, held in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(words(held) for held in value) or MISSING
    return str(value)


def _context(study: Mapping[str, Any], records: Sequence[Record]) -> dict[str, Any]:
    photos = [
        ReportPhoto(f"photo-{number}", record, remarks.missing_metrics(record))
        for number, record in enumerate(records, 1)
    ]
    anchors = {id(photo.record): photo for photo in photos}
    species = summary.by_species(records, study["species"])
    flagged = [anchors[id(record)] for record in summary.flagged_photos(records)]
    return {
        "study": study,
        "target": _target(records),
        "photo_of": lambda record: anchors[id(record)],
        "model": {key: value for key, value in study["model"].items() if key != "files"},
        "failed": [photo for photo in photos if photo.record["error"] is not None],
        "flagged": flagged[:_FIRST],
        "flagged_rest": flagged[_FIRST:],
        "warning_counts": summary.warning_counts(records),
        "counts": _counts(records),
        "outcomes": summary.outcomes(records),
        "species": species,
        "rows": summary.by_method(records),
        "pairs": summary.agreement(records),
        "left_out": remarks.excluded_counts(records),
        "filled": remarks.large_targets(records),
        "blind": remarks.undetectable_problems(records),
        "marked": any(record["target"] for record in summary.explained(records)),
        "scale": plots.colour_scale(),
        "strips": [plot for index in range(len(METHODS)) if (plot := _strips(species, index))],
        "curves": _curves(records),
    }


def _target(records: Sequence[Record]) -> str:
    """What the boxes hold, in a word."""
    held = (record["target"]["word"] for record in summary.explained(records) if record["target"])
    return next(held, _DEFAULT_TARGET)


def _counts(records: Sequence[Record]) -> dict[str, int]:
    outcomes = summary.outcomes(records)
    places = sum(outcomes.values(), Counter[str]())
    named = {status: found.total() for status, found in outcomes.items()}
    return {
        "photos": len(records),
        "explained": places.total(),
        "right": named.get("right", 0),
        "nameable": named.get("right", 0) + named.get("wrong", 0),
        "on": places["on the target"],
        "placed": places.total() - places[summary.UNKNOWN],
        "flagged": len(summary.flagged_photos(records)),
    }


def _strips(species: Sequence[SpeciesSummary], index: int) -> dict[str, str] | None:
    """The plot of one method's lifts, under its title; None if there is no lift."""
    method = list(METHODS)[index]
    strips = []
    for group in species:
        maps = [(record["file"], record["explanations"][index]) for record in summary.explained(group.records)]
        dots = [(file, found["localisation"]["lift"]) for file, found in maps if found["localisation"]]
        strips.append(plots.Strip(group.title, dots))
    plot = plots.lift_strips(method, strips)
    return {"title": METHODS[method].title, "plot": plot} if plot else None


def _curves(records: Sequence[Record]) -> list[dict[str, str]]:
    titles = {
        "deletion": ("Deletion: the lower the better", "pixels taken away, hottest first"),
        "insertion": ("Insertion: the higher the better", "pixels given back, hottest first"),
    }
    drawn = {name: plots.mean_curves(*said, summary.curves(records, name)) for name, said in titles.items()}
    return [{"title": titles[name][0], "plot": plot} for name, plot in drawn.items() if plot]
