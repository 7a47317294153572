"""The report of a study or of one photo: one self-contained HTML file for the screen and for paper."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from camcore import formatting
from camcore.drawing.output import save_text
from camcore.methods.method_table import METHODS
from camcore.metrics.baselines import column_titles
from camcore.metrics.heat_place import NO_HEAT
from camcore.metrics.intervals import share_interval
from camcore.metrics.thresholds import SEES_ALL, SEVERE
from camcore.report import comparisons, figures, notes, plots, summary
from camcore.report.metrics_table import MISSING, SECTIONS, between, number
from camcore.report.summary import Record

SIDE = 224  # largest side of a picture in pixels
_PANELS = 5  # of a photo side by side, at most: the photo and its maps
_SMALL_SIDE = 128  # of a picture in a strip
LIKE_UNTRAINED = 0.7  # correlation with maps of an untrained classifier from which on a map says little of the model
_QUALITY = 80  # of WebP, in percent
_FIRST = 24  # flagged photos that are visible at once; the others are in a closed section


def write_report(path: Path, study: Mapping[str, Any], records: Sequence[Record]) -> None:
    """Write the report of a study to `path`, and embed the pictures of its folder; raise OutputError if that fails.

    `study` is its description, `records` has one record per photo. A picture that is not there is reported as missing.
    """
    render(path, "report.html.jinja", contents_of(study, records) | _study_contents(study, records))


def write_photo_report(path: Path, photo: Mapping[str, Any], record: Record) -> None:
    """Write the report of one photo, as `write_report` does; `photo` is its description."""
    render(path, "report_one_photo.html.jinja", contents_of(photo, [record]))


def picture(folder: Path, name: str, side: int = SIDE) -> str:
    """Return a picture of the folder as a WebP data URI of at most `side` pixels; "" if it cannot be read."""
    image = _read(folder / name)
    return "" if image is None else _to_data_uri(image, side)


def strip_pictures(folder: Path, name: str, count: int) -> list[str]:
    """Return the `count` pictures side by side in one file as WebP data URIs; "" for each if it cannot be read."""
    strip = _read(folder / name)
    if strip is None:
        return [""] * count
    width = strip.width // count
    parts = (strip.crop((number * width, 0, (number + 1) * width, strip.height)) for number in range(count))
    return [_to_data_uri(part, _SMALL_SIDE) for part in parts]


def breakable(path: str) -> Markup:
    """Return a path that may be broken after a slash or an underscore, to fit a narrow column."""
    return Markup(re.sub(r"([/_])", r"\1<wbr>", str(escape(path))))


def setting_text(value: object) -> str:
    """Return the text of a setting: a dash for None, "yes" or "no" for a truth value, the entries of a list."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {setting_text(entry)}" for key, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(setting_text(entry) for entry in value) or MISSING
    return str(value)


def _read(path: Path) -> Image.Image | None:
    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except OSError:
        return None


def _to_data_uri(image: Image.Image, side: int) -> str:
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def render(path: Path, template: str, contents: Mapping[str, Any]) -> None:
    """Write a page of one of the templates of this folder; raise OutputError if that fails."""
    save_text(path, _environment(path.parent).get_template(template).render(contents).lstrip())


@lru_cache(maxsize=4)
def _environment(folder: Path) -> Environment:
    """Return the templates and what they use, for pages with pictures of a folder."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "percent": formatting.percent, "seconds": formatting.seconds, "setting": setting_text, "breakable": breakable,
    }  # fmt: skip
    environment.globals.update(
        METHODS=METHODS, SECTIONS=SECTIONS, MISSING=MISSING, NO_HEAT=NO_HEAT, SEES_ALL=SEES_ALL,
        SEVERE=SEVERE, LIKE_UNTRAINED=LIKE_UNTRAINED, number=number, summary=summary, notes=notes, figures=figures,
        scale=plots.colour_scale(), picture=partial(picture, folder), TITLES=column_titles(), between=between,
        share_interval=share_interval, comparisons=comparisons, changed_input=formatting.changed_input,
        strip_pictures=partial(strip_pictures, folder),
    )  # fmt: skip
    return environment


def contents_of(study: Mapping[str, Any], records: Sequence[Record]) -> dict[str, Any]:
    """Return what the templates need of a study or of one photo."""
    targets = [record["target"] for record in summary.explained(records) if record["target"]]
    titles = [METHODS[method].title for method in study["settings"]["methods"]]
    rows = -(-(1 + len(titles)) // _PANELS)
    return {
        "study": study,
        "model": {key: value for key, value in study["model"].items() if key != "files"},
        "records": records,
        "target": targets[0]["word"] if targets else "animal",
        "has_boxes": bool(targets),
        "titles": titles,
        "panels": -(-(1 + len(titles)) // rows),
    }


def _study_contents(study: Mapping[str, Any], records: Sequence[Record]) -> dict[str, Any]:
    """Return what the template of a study needs besides; each record gets the `anchor` of its article."""
    records = [{**record, "anchor": f"photo-{position}"} for position, record in enumerate(records, 1)]
    flagged = summary.flagged_photos(records)
    return {
        "records": records,
        "failed": [record for record in records if record["error"] is not None],
        "flagged": flagged[:_FIRST],
        "flagged_rest": flagged[_FIRST:],
        "totals": summary.totals(records),
        "species": summary.by_species(records, study["species"]),
    }
