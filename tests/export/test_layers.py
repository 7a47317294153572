"""The layers of classifiers: where they can be cut, which is the default, and what names find them."""

import os
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from camcore.model.torchscript import TracedModel
from export.errors import ExportError
from export.layers import Cut
from export.models import torchvision_models
from export.trace import to_torchscript
from export.traced import ClassifierGraph
from tests.conftest import split_at, untrained

SIZE = 64
# The last feature map of one model of each family, at the size of its input.
LAST = {
    "alexnet": ("avgpool", (256, 6, 6)),
    "convnext_tiny": ("features", (768, 7, 7)),
    "densenet121": ("relu", (1024, 7, 7)),
    "efficientnet_b0": ("features", (1280, 7, 7)),
    "efficientnet_v2_s": ("features", (1280, 7, 7)),
    "googlenet": ("inception5b", (1024, 7, 7)),
    "inception_v3": ("Mixed_7c", (2048, 8, 8)),
    "mnasnet0_5": ("layers", (1280, 7, 7)),
    "mobilenet_v2": ("features", (1280, 7, 7)),
    "mobilenet_v3_small": ("features", (576, 7, 7)),
    "resnet50": ("layer4", (2048, 7, 7)),
    "resnext50_32x4d": ("layer4", (2048, 7, 7)),
    "shufflenet_v2_x1_0": ("conv5", (1024, 7, 7)),
    "squeezenet1_1": ("features", (512, 13, 13)),
    "swin_t": ("permute", (768, 7, 7)),
    "swin_v2_t": ("permute", (768, 7, 7)),
    "vgg16_bn": ("avgpool", (512, 7, 7)),
    "wide_resnet50_2": ("layer4", (2048, 7, 7)),
    "maxvit_t": ("blocks.3", (512, 7, 7)),
}
REGNETS = {"regnet_y_400mf": ("trunk_output", (440, 7, 7)), "regnet_x_400mf": ("trunk_output", (400, 7, 7))}
SPLIT = ["resnet18", "densenet121", "mobilenet_v3_small", "efficientnet_b0", "shufflenet_v2_x0_5", "swin_t",
         "convnext_tiny", "squeezenet1_1"]  # fmt: skip


def last_cut(name: str) -> Cut:
    """The default layer of a model of torchvision, traced without computing anything."""
    with warnings.catch_warnings(action="ignore"), torch.device("cpu" if name.startswith("regnet") else "meta"):
        model = untrained(name).to("meta")
    size = 299 if name == "inception_v3" else 224
    return ClassifierGraph(model, (size, size)).default


@pytest.fixture(scope="module")
def resnet18() -> ClassifierGraph:
    torch.manual_seed(0)
    return ClassifierGraph(untrained("resnet18", num_classes=5), (SIZE, SIZE))


@pytest.mark.parametrize("name", [*LAST, *REGNETS])
def test_the_last_feature_map_of_each_family_is_taken(name: str) -> None:
    cut = last_cut(name)
    assert (cut.name, cut.shape) == {**LAST, **REGNETS}[name]


@pytest.mark.slow
def test_every_classifier_of_torchvision_but_plain_vit_has_a_layer() -> None:
    names = [name for name in torchvision_models() if not name.startswith(("vit_", "regnet_")) and name not in LAST]
    assert len(names) > 40
    for name in names if "SOAK" in os.environ else names[::6]:  # of each family, one is tested above
        _, height, width = last_cut(name).shape
        assert (height, width) == ((13, 13) if name.startswith("squeezenet") else (7, 7)), name


@pytest.mark.parametrize("name", SPLIT)
def test_head_of_features_equals_the_whole_model_exactly(name: str) -> None:
    torch.manual_seed(1)
    model = untrained(name, num_classes=5)
    size = 96 if name == "swin_t" else SIZE
    split, x = split_at(model, size=size), torch.randn(2, 3, size, size)
    with torch.no_grad():
        activations = split.features(x)
        untouched = activations.clone()
        assert torch.equal(split.head(activations), model(x))
        assert torch.equal(activations, untouched), "the head works in place on its input"
    assert sum(map(torch.numel, split.parameters())) == sum(map(torch.numel, model.parameters()))


@pytest.mark.parametrize("names", [("layer4", "layer4.1", "layer4.1.relu"), ("layer1.0", "layer1.0.relu"), ("relu",)])
def test_the_names_of_one_layer_find_the_same_cut(names: tuple[str, ...], resnet18: ClassifierGraph) -> None:
    cuts = [resnet18.find(name) for name in names]
    assert {id(cut) for cut in cuts} == {id(cuts[0])}
    assert cuts[0].name == names[0], "the outermost module gives the name"


def test_every_listed_name_finds_its_own_cut(resnet18: ClassifierGraph) -> None:
    names = [cut.name for cut in resnet18.cuts]
    assert len({*names}) == len(names)
    assert [resnet18.find(name) for name in names] == resnet18.cuts
    assert names[-1] == resnet18.default.name == "layer4"


def test_an_operation_without_a_module_has_a_name_of_its_own() -> None:
    with torch.device("meta"):
        graph = ClassifierGraph(untrained("densenet121"), (SIZE, SIZE))
    assert graph.find("features").node is not graph.find("relu").node
    assert graph.find("relu") is graph.default
    assert graph.find("features.norm5") is graph.find("features")


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ("layer4.1.bn2", "'layer4.1.bn2' is not all that the rest of the model depends on: other connections pass it"),
        ("layer4.1.bn2", ": choose layer4.1.add or layer4"),
        ("layer2.0.downsample", ": choose layer2.0.add or layer2.0"),
        ("layer4.1.conv1", ": choose layer4.0.add or layer4.0"),
        ("avgpool", "the layer 'avgpool' is no feature map of more than one place: choose layer4.1.add or layer4"),
        ("fc", "the layer 'fc' is no feature map of more than one place"),
        ("layer5", "the model has no layer 'layer5': --list-layers prints all; the last are layer4.0.add, layer4.0, "),
        ("", "the model has no layer ''"),
    ],
)
def test_what_is_no_layer_is_refused_with_what_can_be_chosen(layer: str, says: str, resnet18: ClassifierGraph) -> None:
    with pytest.raises(ExportError) as refusal:
        resnet18.find(layer)
    assert says in str(refusal.value)


def test_a_map_of_one_place_is_no_layer() -> None:
    graph = ClassifierGraph(untrained("resnet18"), (32, 32))
    assert graph.default.name == "layer3", "layer4 is 1 × 1 for inputs of 32 pixels"
    with pytest.raises(ExportError, match="'layer4' is no feature map of more than one place: choose"):
        graph.find("layer4")


def test_channels_last_maps_are_layers_with_their_own_order_of_axes(tmp_path: Path) -> None:
    class ChannelsLast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.mix, self.fc = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 10), nn.Linear(10, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = functional.gelu(self.mix(self.conv(x).permute(0, 2, 3, 1)))
            scores: Tensor = self.fc(x.mean((1, 2)))
            return scores

    torch.manual_seed(0)
    model = ChannelsLast().eval()
    graph = ClassifierGraph(model, (32, 48))
    assert [(cut.name, cut.shape, cut.layer.axes) for cut in graph.cuts] == [
        ("conv", (6, 8, 12), "CHW"), ("permute", (6, 8, 12), "HWC"), ("mix", (10, 8, 12), "HWC"),
        ("gelu", (10, 8, 12), "HWC"),
    ]  # fmt: skip
    split = graph.split([graph.default, graph.find("mix"), graph.find("conv")])
    to_torchscript(split, (32, 48), tmp_path / "model.ts.pt")
    traced = TracedModel(tmp_path / "model.ts.pt")
    x = torch.randn(3, 3, 32, 48)
    with torch.no_grad():
        maps = model.mix(model.conv(x).permute(0, 2, 3, 1))
        expected = [functional.gelu(maps), maps, model.conv(x)]
        for layer, activations in enumerate(expected):
            assert torch.equal(split.features(x, layer), activations)
            assert torch.equal(split.head(activations, layer), model(x))
            logits, traced_activations = traced.at_layer(layer).forward(x.numpy())
            torch.testing.assert_close(torch.from_numpy(traced_activations), activations)
            torch.testing.assert_close(torch.from_numpy(logits), model(x))


def test_several_layers_share_the_weights_of_one_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = untrained("resnet18", num_classes=5)
    one, three = tmp_path / "one.ts.pt", tmp_path / "three.ts.pt"
    to_torchscript(split_at(model, "layer4", size=SIZE), (SIZE, SIZE), one)
    split = split_at(model, "layer4", "layer2", "layer4.0", size=SIZE)
    to_torchscript(split, (SIZE, SIZE), three)
    assert three.stat().st_size < 1.02 * one.stat().st_size
    with warnings.catch_warnings(action="ignore"):
        loaded = torch.jit.load(str(three))  # type: ignore[no-untyped-call]
    x = torch.randn(3, 3, SIZE, SIZE)
    seen: dict[str, Tensor] = {}
    for name in ("layer4", "layer2", "layer4.0"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda _module, _x, output, name=name: seen.update({name: output}))
    with torch.no_grad():
        logits = model(x)
        for layer, activations in enumerate(seen[name] for name in ("layer4", "layer2", "layer4.0")):
            suffix = f"_{layer}" if layer else ""
            assert torch.equal(split.features(x, layer), activations)
            torch.testing.assert_close(getattr(loaded, f"features{suffix}")(x), activations, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(getattr(loaded, f"head{suffix}")(activations), logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(loaded(x)[1], seen["layer4"], rtol=1e-5, atol=1e-5)
