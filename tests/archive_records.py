"""Records of an archive as a screening writes them, without photos and without a model."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

WORD = "animal"
DESCRIPTION: dict[str, Any] = {
    "title": "archive", "command": "python -m camcore study archive.csv", "date": "2026-11-28",
    "model": {"model": "resnet50", "files": {}, "versions": {}, "linear_head": True},
    "settings": {"methods": ["grad-cam"]}, "protocol": {},
    "limits": ["A heatmap shows where the evidence lies."], "versions": {},
    "notes": ["boxes.json lists 2 photos not in the archive: a.jpg, b.jpg"], "species": [],
}  # fmt: skip


def screened(
    number: int, species: str, site: str, *, finding: str | None = "needs the target", lift: float = 1.5,
    severity: int = 0, status: str = "right", taken_at: str = "", place: str = "on the target", file: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Return the record of one screened photo; without a finding, it has no box."""
    target = None if finding is None else {"boxes": [[0.2, 0.2, 0.6, 0.6]], "share": 0.16, "cut_off": 0.0, "word": WORD}
    warnings = ["the prediction needs the background, not the animal"] if severity else []
    return {
        "file": file or f"{species}/{number:06}.jpg", "species": species, "site": site, "taken_at": taken_at,
        "stem": f"{number:06}", "sha256": f"{number:016x}" + 48 * "0", "error": None, "level": "screen",
        "predictions": [{"class_idx": 1, "name": species, "probability": 0.3 + 0.7 * (number % 10) / 10}],
        "truth": {"title": species, "status": status}, "whole": None, "target": target,
        "unmarked": None if target else "not marked", "view": {"picture": None, "reduced": 1},
        "thumbnail": f"thumbnails/{number % 4:02x}/{number % 4}.jpg",
        "explanations": [{"picture": None, "method": "grad-cam", "faithfulness": None,
                          "localisation": {"energy": 0.3, "lift": lift} if target else None}],
        "counterfactuals": {"finding": finding, "marked_by": "target"} if finding else None, "seconds": 0.1,
        "verdict": {"name": status, "place": place if target else "unknown", "severity": severity,
                    "state": "look again" if severity else "on the target", "warnings": warnings},
    }  # fmt: skip


def planted_records(
    count: int, *, species: int = 4, sites: int = 5, rate: float = 0.02, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield records in which species 1 at site 2 relies on the background most of the time, others at `rate`."""
    chance = Random(seed)
    start = datetime(2026, 1, 1)
    for number in range(count):
        name, site = f"species {chance.randrange(species)}", f"site {chance.randrange(sites)}"
        relies = chance.random() < (0.8 if (name, site) == ("species 1", "site 2") else rate)
        yield screened(
            number, name, site, lift=chance.lognormvariate(0.2 - relies, 0.5), severity=4 if relies else 0,
            finding="relies on the background" if relies else chance.choice(["needs the target", "not decided"]),
            status=chance.choice(["right", "right", "wrong"]), place="off the target" if relies else "on the target",
            taken_at=(start + timedelta(minutes=37 * number % 500_000)).isoformat(),
        )  # fmt: skip


def write_thumbnails(out: Path) -> None:
    """Write the four small pictures that all records share."""
    for number in range(4):
        path = out / f"thumbnails/{number:02x}/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (112, 112), (60 * number, 120, 200 - 40 * number)).save(path)
