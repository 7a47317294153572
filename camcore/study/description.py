"""The description of a study: what is needed to repeat it, and to interpret its metrics."""

import hashlib
import platform
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from camcore.metrics.baselines import SEEDS as NOISE_SEEDS
from camcore.metrics.counterfactuals import BLUR_SHARE
from camcore.metrics.faithfulness import PROTOCOL
from camcore.metrics.intervals import RESAMPLES
from camcore.metrics.sanity import SEEDS
from camcore.metrics.thresholds import AGREE, CUT_OFF, DISAGREE, FILLS, OFF, ON, SEES_ALL, SMALL, UNSURE
from camcore.model.gpu import installed_version
from camcore.model.manifest import ONNX_INT8, Manifest, sha256
from camcore.study.inputs.addresses import without_secrets
from camcore.study.inputs.camtrap_dp import is_camtrap_dp, tables_of
from camcore.study.inputs.load import InputPaths, StudyInputs
from camcore.study.settings import StudySettings


def conditions(manifest: Manifest, settings: StudySettings) -> dict[str, Any]:
    """Return what every record depends on: the model, the settings, and the rules of the verdict."""
    return {
        "format": 6,  # raised with every change of the fields of a record or of the verdict
        "manifest": hashlib.sha256(manifest.to_json().encode()).hexdigest(),
        "settings": settings.to_json(),
        "protocol": asdict(PROTOCOL),
        "rules": [UNSURE, SEES_ALL, ON, OFF, FILLS, SMALL, CUT_OFF, AGREE, DISAGREE],
        "versions": versions(),
    }


def describe(
    manifest: Manifest, paths: InputPaths, settings: StudySettings, inputs: StudyInputs, command: str
) -> dict[str, Any]:
    """Return the description of a study as JSON; `command` is the command line that repeats it."""
    files = {name: getattr(paths, name) for name in ("boxes", "truth", "species")}
    input_settings = {
        "source": without_secrets(paths.source),
        "root": None if paths.root is None else without_secrets(paths.root),
        **{name: None if path is None else str(path) for name, path in files.items()},
        "sha256": {name: _digest(path) for name, path in files.items() if path is not None},
        "category": paths.category,
        "confidence": inputs.confidence,
        "site_from": paths.site_from,
    }
    description = _description(manifest, settings, input_settings, "the model's most probable class")
    title, notes, species = _title(paths.source), list(inputs.notes), list(inputs.species)
    return {"title": title, "command": command, **description, "notes": notes, "species": species}


def _title(source: Path | str) -> str:
    return without_secrets(source).rstrip("/").rpartition("/")[2] if isinstance(source, str) else source.resolve().name


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, or those of the tables of a data package."""
    return " ".join(map(sha256, tables_of(path))) if is_camtrap_dp(path) else sha256(path)


def describe_photo(
    manifest: Manifest, settings: StudySettings, file: str, class_name: str, command: str
) -> dict[str, Any]:
    """Return the description of a single photo `file`, whose maps explain a chosen class, as JSON."""
    description = _description(manifest, settings, {"photo": file, "class": class_name}, class_name)
    return {"title": file, "command": command, **description}


def _description(
    manifest: Manifest, settings: StudySettings, input_settings: dict[str, Any], class_name: str
) -> dict[str, Any]:
    explain_settings = {name: value for name, value in settings.to_json().items() if name != "word"}
    layer = manifest.layer
    of_layer = {"target_layer": layer.name, "linear_head": layer.linear_head, "tokens": layer.has_tokens}
    model = {"model": manifest.model, "weights": manifest.weights, "head": manifest.head, **of_layer}
    return {
        "date": date.today().isoformat(),
        "model": {**model, "files": dict(manifest.files), "versions": dict(manifest.versions)},
        "settings": input_settings | explain_settings,
        "protocol": _protocol(manifest, settings, class_name),
        "limits": _limits(manifest),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages on which results depend."""
    packages = ("numpy", "pillow", "torch", "onnxruntime", "matplotlib")
    return {"python": platform.python_version(), **{name: installed_version(name) for name in packages}}


def _protocol(manifest: Manifest, settings: StudySettings, class_name: str) -> dict[str, Any]:
    """Return how each metric was measured, one entry per subject."""
    red, green, blue = manifest.preprocessing.zero_colour
    uses_int8 = settings.options.effort != "exact" and settings.device == "cpu" and ONNX_INT8 in manifest.files
    protocol = {
        **asdict(PROTOCOL),
        "area": "trapezoid rule over the share of pixels, from 0 to 1, both ends included",
        "precision": f"average drop, increase and gain in fp32, and the curves in {'int8' if uses_int8 else 'fp32'}",
        "score": f"{'sigmoid' if manifest.multi_label else 'softmax'} probability of the explained class, {class_name}",
        "zero": f"0 after normalisation is the colour rgb({red}, {green}, {blue})",
        "energy": "share of the heatmap's sum inside the boxes, which are united and cover pixels by fractions",
        "baselines": (
            "Centre is a centred Gaussian with the mean of the first method's heatmap; Random is noise on the layer's "
            f"grid, mean of {len(NOISE_SEEDS)} seeds, one of them where the model is run"
        ),
        "counterfactuals": (
            f"the target alone and the rest alone, the hidden part 0 or blurred by {BLUR_SHARE:.0%} of the side; a "
            f"class holds {'from 50%' if manifest.multi_label else 'if it ranks as high as before'}; needing both is "
            f"not decided for a target below {SMALL:.0%} of the view"
        ),
        "intervals": f"95%: bootstrap over the photos with {RESAMPLES:,} resamples, Wilson's interval for shares",
        "agreement": "Spearman's rank correlation over all pixels, and overlap of the hottest fifths",
        "verdict": (
            f"unsure below {UNSURE:.0%}; on the target from a lift of {ON}, off the target up to {OFF}, not judged if "
            f"the target fills more than {FILLS:.0%} of the view; cut off above {CUT_OFF:.0%}; methods agree from an "
            f"overlap of {AGREE} between the two least similar ones, and disagree below {DISAGREE:.2f}"
        ),
    }
    if settings.measures_sanity(manifest.layer):
        protocol["sanity"] = (
            "the classifier's weight matrix is replaced by normal values of mean 0 and its own standard deviation, "
            f"seeds {SEEDS.start} to {SEEDS.stop - 1}; mean Spearman correlation of the maps"
        )
    return protocol


def _limits(manifest: Manifest) -> list[str]:
    """Return what the explanations of a model cannot show."""
    rows, columns = manifest.layer.map_size
    height, width = manifest.preprocessing.size
    return [
        "A heatmap shows where in the view the evidence for a class lies, not what the model recognised there.",
        "Heat on the animal does not prove that the model recognises the animal, and heat beside it does not prove "
        "that the model fails elsewhere: test it with the same animal in front of another background.",
        f"The layer's grid is coarse ({rows} × {columns} on {height} × {width} pixels), so heat extends about one cell "
        "beyond the edges of what it belongs to.",
        "Masked and blurred photos are unlike the photos that the model was trained on: metrics measured on them "
        "compare methods, and prove nothing about a single one.",
    ]
