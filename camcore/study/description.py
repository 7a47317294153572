"""What a study was made with: enough to run it again, and to know what its figures mean."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from typing import Any

from camcore.artifact import ONNX_INT8, Manifest, sha256
from camcore.faithfulness import PROTOCOL
from camcore.sanity import SEEDS
from camcore.study.known import Known, Sources
from camcore.study.record import Settings
from camcore.verdict import AGREE, CUT_OFF, DISAGREE, FILLS, OFF, ON, UNSURE

_PACKAGES = ("numpy", "pillow", "torch", "onnxruntime", "matplotlib")


def conditions(manifest: Manifest, sources: Sources, settings: Settings) -> dict[str, Any]:
    """What a record depends on besides its photo: a study takes over only records made under the same."""
    files = {name: path for name in ("boxes", "truth", "species") if (path := getattr(sources, name)) is not None}
    return {
        "model": manifest.model,
        "weights": manifest.weights,
        "files": dict(manifest.files),
        "settings": asdict(settings),
        "known": {name: sha256(path) for name, path in files.items()},
        "category": sources.category,
        "confidence": sources.confidence,
        "protocol": asdict(PROTOCOL),
        "versions": _versions(),
    }


def describe(manifest: Manifest, sources: Sources, settings: Settings, known: Known, command: str) -> dict[str, Any]:
    """The whole study but its records, as JSON."""
    given = {name: str(path) for name in ("boxes", "truth", "species") if (path := getattr(sources, name)) is not None}
    return {
        "title": sources.folder.resolve().name,
        "command": command,
        "date": date.today().isoformat(),
        "model": {
            "model": manifest.model,
            "weights": manifest.weights,
            "target_layer": manifest.target_layer,
            "linear_head": manifest.linear_head,
            "files": dict(manifest.files),
            "versions": dict(manifest.versions),
        },
        "settings": {
            "folder": str(sources.folder),
            **{name: given.get(name) for name in ("boxes", "truth", "species")},
            "sha256": conditions(manifest, sources, settings)["known"],
            "category": sources.category,
            "confidence": sources.confidence,
            **{name: value for name, value in asdict(settings).items() if name != "word"},
        },
        "protocol": _protocol(manifest, settings),
        "limits": _limits(manifest),
        "versions": _versions(),
        "notes": list(known.notes),
        "species": list(known.species),
    }


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def _protocol(manifest: Manifest, settings: Settings) -> dict[str, Any]:
    red, green, blue = manifest.preprocessing.zero_colour
    curves = "fp32" if settings.effort == "exact" or ONNX_INT8 not in manifest.files else "int8"
    said = {
        "steps": PROTOCOL.steps,
        "blur": PROTOCOL.blur,
        "masking": PROTOCOL.masking,
        "deletion": PROTOCOL.deletion,
        "insertion": PROTOCOL.insertion,
        "area": "trapezoid rule over the share of pixels, 0 to 1, both ends included",
        "precision": f"average drop, increase and gain in fp32; the curves in {curves}",
        "score": "softmax probability of the explained class, the model's first choice",
        "zero": f"0 after normalisation is the colour rgb({red}, {green}, {blue})",
        "energy": "share of the heatmap's sum on the boxes, which are united and cover pixels by fractions",
        "agreement": "Spearman's rank correlation over all pixels; overlap of the hottest fifths",
        "verdict": (
            f"unsure under {UNSURE:.0%}; on the target from lift {ON}, off it up to {OFF}, not judged where it fills "
            f"more than {FILLS:.0%} of the view; cut off from {CUT_OFF:.0%}; methods agree from an overlap of {AGREE} "
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


def photos_of(records: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The photos of a study by path and hash."""
    return [{"file": record["file"], "sha256": record["sha256"]} for record in records]
