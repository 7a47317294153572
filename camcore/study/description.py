"""What a study was made with: enough to run it again, and to know what its figures mean."""

import hashlib
import platform
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from typing import Any

from camcore.metrics.faithfulness import PROTOCOL
from camcore.metrics.sanity import SEEDS
from camcore.metrics.verdict import AGREE, CUT_OFF, DISAGREE, FILLS, OFF, ON, UNSURE
from camcore.model.manifest import ONNX_INT8, Manifest, sha256
from camcore.study.inputs.load import InputPaths, StudyInputs
from camcore.study.record import StudySettings

RECORD_FORMAT = 2  # 1 called the warnings of a verdict concerns
_PACKAGES = ("numpy", "pillow", "torch", "onnxruntime", "matplotlib")


def conditions(manifest: Manifest, settings: StudySettings) -> dict[str, Any]:
    """What every record depends on: the model, the settings, and the rules of the verdict."""
    return {
        "format": RECORD_FORMAT,
        "manifest": hashlib.sha256(manifest.to_json().encode()).hexdigest(),
        "settings": settings.to_json(),
        "protocol": asdict(PROTOCOL),
        "rules": [UNSURE, ON, OFF, FILLS, CUT_OFF, AGREE, DISAGREE],
        "versions": _versions(),
    }


def describe(
    manifest: Manifest, sources: InputPaths, settings: StudySettings, known: StudyInputs, command: str
) -> dict[str, Any]:
    """The whole study but its records, as JSON."""
    files = {name: getattr(sources, name) for name in ("boxes", "truth", "species")}
    given = {
        "folder": str(sources.folder),
        **{name: None if path is None else str(path) for name, path in files.items()},
        "sha256": {name: sha256(path) for name, path in files.items() if path is not None},
        "category": sources.category,
        "confidence": sources.confidence,
    }
    about = {"title": sources.folder.resolve().name, "command": command}
    described = _described(manifest, settings, about, given, "the model's first choice")
    return {**described, "notes": list(known.notes), "species": list(known.species)}


def describe_photo(
    manifest: Manifest, settings: StudySettings, file: str, explained: str, command: str
) -> dict[str, Any]:
    """The same of a single photo, called `file`, whose maps are for a class that somebody chose, called `explained`."""
    given = {"photo": file, "class": explained}
    described = _described(manifest, settings, {"title": file, "command": command}, given, explained)
    return {**described, "notes": [], "species": [{"code": "", "title": "This photo"}]}


def _described(
    manifest: Manifest, settings: StudySettings, about: dict[str, str], given: dict[str, Any], explained: str
) -> dict[str, Any]:
    return {
        **about,
        "date": date.today().isoformat(),
        "model": {
            "model": manifest.model,
            "weights": manifest.weights,
            "target_layer": manifest.target_layer,
            "linear_head": manifest.linear_head,
            "files": dict(manifest.files),
            "versions": dict(manifest.versions),
        },
        "settings": {**given, **{name: value for name, value in settings.to_json().items() if name != "word"}},
        "protocol": _protocol(manifest, settings, explained),
        "limits": _limits(manifest),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def _protocol(manifest: Manifest, settings: StudySettings, explained: str) -> dict[str, Any]:
    red, green, blue = manifest.preprocessing.zero_colour
    curves = "fp32" if settings.options.effort == "exact" or ONNX_INT8 not in manifest.files else "int8"
    said = {
        "steps": PROTOCOL.steps,
        "blur": PROTOCOL.blur,
        "masking": PROTOCOL.masking,
        "deletion": PROTOCOL.deletion,
        "insertion": PROTOCOL.insertion,
        "area": "trapezoid rule over the share of pixels, 0 to 1, both ends included",
        "precision": f"average drop, increase and gain in fp32; the curves in {curves}",
        "score": f"softmax probability of the explained class, {explained}",
        "zero": f"0 after normalisation is the colour rgb({red}, {green}, {blue})",
        "energy": "share of the heatmap's sum on the boxes, which are united and cover pixels by fractions",
        "agreement": "Spearman's rank correlation over all pixels; overlap of the hottest fifths",
        "verdict": (
            f"unsure under {UNSURE:.0%}; on the target from lift {ON}, off it up to {OFF}, not judged where it fills "
            f"more than {FILLS:.0%} of the view; cut off above {CUT_OFF:.0%}; methods agree from an overlap of {AGREE} "
            f"between the two least alike, and disagree under {DISAGREE:.2f}"
        ),
    }
    if settings.sanity:
        said["sanity"] = (
            f"the classifier's weight matrix is replaced by normal values of mean 0 and its own standard deviation, "
            f"seeds {SEEDS.start} to {SEEDS.stop - 1}; mean Spearman correlation of the maps"
        )
    return said


def _limits(manifest: Manifest) -> list[str]:
    rows, columns = manifest.map_size
    size = manifest.preprocessing.crop
    return [
        "A heatmap shows where the evidence for a name lies in the view, not what the model made of it.",
        "Heat on the animal is no proof that the model knows the animal, and heat beside it none that it would fail "
        "elsewhere: show it the animal before another background to find out.",
        f"The layer's grid is coarse ({rows} × {columns} on {size} × {size} pixels), so heat spills about a cell over "
        "the edges of what it belongs to.",
        "Masked, emptied and blurred photos are unlike any that the model was trained on: its answers to them compare "
        "methods, and prove nothing about one.",
    ]
