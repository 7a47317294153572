"""The weights of a model in a checkpoint file, found by their structure: people save them under many names.

Trainers wrap a model ("module.", "net.feature."), keep its weights beside an optimiser or in a dict of their own, add
counters, and replace the last layer by a sequence. What a model needs is found wherever it lies, and what is left over
is named.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from export.weights import StateDict, Weights

if TYPE_CHECKING:
    import torch
    from torch import nn

FUNCTION = "write a function that returns the model, and name it with --model FILE.py:FUNCTION"
_MAX_DEPTH = 4  # of dicts within dicts
_MAX_PREFIXES = 1000
_IMAGENET_CLASSES = 1000
# Averaged weights, which a trainer keeps for evaluation: those of timm, of torchvision and of others.
_AVERAGED = re.compile(r"(^|[._])(ema|averaged|swa)([._]|$)", re.IGNORECASE)
_COUNTER = re.compile(r"(^|\.)(total_ops|total_params|n_averaged|num_batches_tracked)$")
AUXILIARY = re.compile(r"(^|\.)(aux1|aux2|AuxLogits)\.")  # classifiers of GoogLeNet and Inception, for training only
_LOSS = re.compile(r"^(criterion|loss|\w+_loss|loss_\w+|\w*metrics?)(\.|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file: every dict of tensors in it, by its place ("" for the file itself)."""

    name: str
    source: str
    tables: Mapping[str, StateDict]


class _Place(NamedTuple):
    """Where the weights of a model are: a table of the checkpoint, and what precedes their names there."""

    table: str
    prefix: str
    matches: int  # how many tensors of the model are there, in their shape
    spellings: Mapping[str, str]  # of the model's names there

    @property
    def is_averaged(self) -> bool:
        """Return whether the name of the place says that the weights are averages over steps."""
        return _AVERAGED.search(f"{self.table}.{self.prefix}") is not None

    def __str__(self) -> str:
        """Return the names that lead to the weights."""
        return ".".join(filter(None, (self.table, self.prefix.rstrip("."))))


def find_tables(content: Any) -> dict[str, StateDict]:
    """Return every dict in the content of a file that has tensors under names, by its place in the file."""
    return dict(_tables(content, "", 0))


def _tables(content: Any, place: str, depth: int) -> Iterator[tuple[str, StateDict]]:
    import torch

    if not isinstance(content, Mapping) or depth > _MAX_DEPTH:
        return
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and torch.is_tensor(value)}
    if tensors:
        yield place, tensors
    for name, value in content.items():
        if isinstance(value, Mapping) and isinstance(name, str):
            yield from _tables(value, f"{place}.{name}" if place else name, depth + 1)


def select_weights(checkpoint: Checkpoint, model: nn.Module, *, any_classes: bool = True) -> Weights:
    """Return the weights of a model, under the model's own names, with a note on what was taken and left out.

    With `any_classes`, the last layer may have another number of rows than that of `model`, and another name. Averaged
    weights take precedence over those of the last step. What is not harmless is kept under its own name, so that
    `load_weights` refuses it.
    """
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items() if not _COUNTER.search(name)}
    classifier = [name for name, parameter in model.named_parameters() if parameter.ndim > 1][-1]
    head = (classifier, f"{_parent(classifier)}bias") if any_classes else ()
    backbone = {name: shape for name, shape in shapes.items() if name not in head}
    numbered = _numbered_children(model, backbone)
    places = [
        *_places(checkpoint, backbone, {name: name for name in backbone}),
        *_places(checkpoint, backbone, numbered),
    ]
    places.sort(key=lambda place: (-place.matches, not place.is_averaged))
    place = places[0]
    table, prefix, spellings = checkpoint.tables[place.table], place.prefix, place.spellings
    new_names = {prefix + spellings[name]: name for name in backbone if prefix + spellings[name] in table}
    if any_classes:
        new_names |= _head_names(table, prefix, classifier, shapes[classifier][1:], new_names)
    own_names = set(shapes) | {name.removeprefix(prefix) for name in new_names}
    copies = {other.prefix for other in places[1:] if other.table == place.table and other.matches == place.matches}
    left_out = [
        name
        for name in table
        if name not in new_names and _is_harmless(name, own_names, copies, prefix + classifier, table)
    ]
    state = {new_names.get(name, name): tensor for name, tensor in table.items() if name not in left_out}
    bias = head[1] if head else ""
    if bias in shapes and classifier in state and bias not in state:  # a last layer without a bias
        state[bias] = state[classifier].new_zeros(_rows(state[classifier]))
    is_of_model = place.matches == len(backbone)  # only the head differs, if anything
    remedy = FUNCTION if is_of_model else f"name its model with --model, or {FUNCTION}"
    return Weights(checkpoint.name, state, checkpoint.source, remedy, _note(places, left_out))


def _rows(tensor: torch.Tensor) -> int:
    return tensor.shape[0] if tensor.ndim else 0


def _parent(name: str) -> str:
    """Return the name of the module of a parameter, with the dot after it."""
    return name[: name.rfind(".") + 1]


def _numbered_children(model: nn.Module, names: Iterable[str]) -> dict[str, str]:
    """Return names as `nn.Sequential(*model.children())` spells them: the first part is a number."""
    numbers = {name: str(number) for number, (name, _) in enumerate(model.named_children())}
    parts = {name: name.split(".", 1) for name in names}
    return {name: ".".join([numbers.get(first, first), *rest]) for name, (first, *rest) in parts.items()}


def _places(
    checkpoint: Checkpoint, backbone: Mapping[str, torch.Size], spellings: Mapping[str, str]
) -> Iterator[_Place]:
    """Yield every place whose names end like those of the first tensor of a model, or the file's largest table."""
    anchor = spellings[next(iter(backbone))]
    for title, table in checkpoint.tables.items():
        ends = (name for name in table if name == anchor or name.endswith(f".{anchor}"))
        for prefix in islice({name.removesuffix(anchor): None for name in ends}, _MAX_PREFIXES):
            keys = {name: prefix + spelling for name, spelling in spellings.items()}
            matches = sum(key in table and table[key].shape == backbone[name] for name, key in keys.items())
            yield _Place(title, prefix, matches, spellings)
    yield _Place(max(checkpoint.tables, key=lambda title: len(checkpoint.tables[title])), "", 0, spellings)


def _head_names(
    table: StateDict, prefix: str, classifier: str, width: torch.Size, backbone: Collection[str]
) -> dict[str, str]:
    """Return the model's names for the last layer in a checkpoint, wherever that is; none if several may be it.

    It is the matrix of the right width. A leftover classifier of ImageNet's 1,000 classes gives way to another one.
    """
    own = prefix + classifier
    matrices = [name for name, tensor in table.items() if tensor.ndim > 1 and tensor.shape[1:] == width]
    others = [name for name in matrices if name != own and name not in backbone]
    is_leftover = own not in table or _rows(table[own]) == _IMAGENET_CLASSES
    chosen = others[0] if len(others) == 1 and is_leftover and others[0].endswith(".weight") else own
    names = {chosen: classifier, f"{_parent(chosen)}bias": f"{_parent(classifier)}bias"}
    return {name: new_name for name, new_name in names.items() if name in table}


def _is_harmless(
    name: str, own_names: Collection[str], copies: Collection[str], own_classifier: str, table: StateDict
) -> bool:
    """Return whether a tensor that is not used can be left out: a counter, a loss, a leftover head, or a copy."""
    if any(pattern.search(name) for pattern in (_COUNTER, _LOSS, AUXILIARY)):
        return True
    if name in (own_classifier, f"{_parent(own_classifier)}bias") and own_classifier in table:
        return _rows(table[own_classifier]) == _IMAGENET_CLASSES
    return any(name.startswith(prefix) and name.removeprefix(prefix) in own_names for prefix in copies)


def _note(places: Sequence[_Place], left_out: Sequence[str]) -> str:
    """Return what was taken and left out, "" if that is the whole file."""
    place, parts = places[0], []
    rivals = [
        str(other) or "the file itself"
        for other in places[1:]
        if other.matches == place.matches and str(other) != str(place)
    ]
    if str(place):
        kind = "averaged weights" if place.is_averaged else "weights"
        parts.append(f"{kind} taken from {place}{', not from ' + ', '.join(rivals) if rivals else ''}")
    named = [name for name in left_out if not _COUNTER.search(name)]
    if named:
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""
        parts.append(f"left out: {', '.join(named[:3])}{more}")
    counters = [name for name in left_out if _COUNTER.search(name) and not name.endswith("num_batches_tracked")]
    if counters:
        parts.append(f"left out: counters such as {counters[0]}")
    return "; ".join(parts)
