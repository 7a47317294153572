"""What all libraries explain: one photo, one class and one set of seeded weights, in a directory of files."""

import json
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

SEED = 0


@dataclass(frozen=True)
class Scene:
    """`channels` are the target layer's, `class_idx` the most probable class of `photo`."""

    root: Path
    model: str
    photo: Path
    class_idx: int
    channels: int

    @property
    def artifact(self) -> Path:
        """The exported model, for camcore."""
        return self.root / "artifact"

    @property
    def weights(self) -> Path:
        """The same model's state dict, for the others."""
        return self.root / "weights.pth"

    @property
    def x(self) -> Path:
        """The preprocessed photo (1, 3, H, W), for the others."""
        return self.root / "x.npy"


def open_scene(root: Path) -> Scene:
    """The scene that `prepare_scene` wrote into `root`; for a fresh process, so it imports little."""
    values = json.loads((root / "scene.json").read_text(encoding="utf-8"))
    return Scene(**{**values, "root": root, "photo": Path(values["photo"])})


def prepare_scene(root: Path, model: str, photo: Path, crop: int | None = None) -> Scene:
    """Seed, save and export a model of random weights, run it on the photo, and write all into `root`."""
    import numpy as np
    import torch
    from torchvision.models import get_model

    from camcore import Explainer, open_photo
    from export.pipeline import ExportOptions, export_artifact
    from export.preprocessing import PreprocessingOptions

    torch.manual_seed(SEED)
    weights = root / "weights.pth"
    torch.save(get_model(model, weights=None).state_dict(), weights)
    steps = PreprocessingOptions(size=(crop, crop) if crop else None)
    options = ExportOptions(model=model, weights=str(weights), out=root / "artifact", preprocessing=steps)
    artifact = export_artifact(options)
    explainer = Explainer.load(artifact)
    forward_pass = explainer.forward(open_photo(photo))
    scene = Scene(root, model, photo.resolve(), int(forward_pass.logits.argmax()), explainer.manifest.layer.channels)
    np.save(scene.x, forward_pass.x)
    (root / "scene.json").write_text(json.dumps(asdict(scene), default=str), encoding="utf-8")
    return scene


def bundled_photo() -> Path:
    """The lion that the package gradio carries."""
    return _package("gradio") / "media_assets" / "images" / "lion.jpg"


def imagenet_photos() -> list[Path]:
    """The 20 photos of ImageNet that the package foolbox carries."""
    return sorted((_package("foolbox") / "data").glob("imagenet_*.jpg"))


def _package(name: str) -> Path:
    """A package's folder, found without importing it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the package {name}, which carries photos, is not installed: name photos yourself")
    return Path(spec.submodule_search_locations[0])
