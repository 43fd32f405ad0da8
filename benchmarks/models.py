"""The models that fusec is tested and measured on, each built from a seed, by name.

`python benchmarks/models.py --list` names them, `python benchmarks/models.py NAME -o FILE` writes
one. Nothing is downloaded. Heavy packages are imported only by the models that need them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in {None, ""}:  # run as a file: the other modules are found from the root
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import click

from benchmarks import networks
from benchmarks.draw import Drawer

if TYPE_CHECKING:
    import onnx

ROOT = Path(__file__).resolve().parent.parent
DIRECTORY = ROOT / "build" / "models"
SEED = 20

# One weight gain of sqrt(1/2) (variance 1 / fan_in) keeps the 16 additions of a ResNet-50 between
# 1 and 7; see `Drawer`. The others are measured: values stay between 0.1 and 50 throughout, and
# the logits before a softmax have a standard deviation of 1 to 2.5. Then zeroing the weights of any
# one convolution, linear layer or batch norm moves a network's output by 9 % or more.
_GAINS: Mapping[str, tuple[float, float]] = {
    "resnet50": (0.71, 1.0),
    "mobilenetv3_large_100": (0.85, 1.0),
    "light_bvlc_alexnet": (1.0, 0.35),
    "light_inception_v1": (1.0, 0.4),
    "light_inception_v2": (0.9, 0.15),
    "light_resnet50": (0.71, 0.25),
    "light_shufflenet": (0.6, 0.6),
    "light_squeezenet": (1.0, 0.6),
    "light_vgg19": (1.0, 0.5),
}

_LIGHT = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)


@dataclass(frozen=True)
class Model:
    """A model that can be built: what it is, and how."""

    what: str
    make: Callable[[], onnx.ModelProto]


def _drawer(name: str) -> Drawer:
    gain, head = _GAINS.get(name, (1.0, 1.0))
    return Drawer(SEED, gain, head)


def _export(architecture: str, head: str, fold: bool) -> onnx.ModelProto:
    from benchmarks.exported import Exported

    return Exported(architecture, head, _drawer(architecture), fold).build()


def _light(name: str) -> onnx.ModelProto:
    from benchmarks.light import light

    return light(name, _drawer(name))


def _generated(nodes: int) -> onnx.ModelProto:
    from benchmarks.generated import generated

    return generated(nodes, SEED)


def _models() -> dict[str, Model]:
    resnet = partial(_export, "resnet50", "fc")
    mobilenet = partial(_export, "mobilenetv3_large_100", "classifier")
    folded = "the same, batch norms folded by the exporter (its default)"
    models = {
        "resnet50": Model("ResNet-50 of timm, torch.onnx.export", partial(resnet, False)),
        "resnet50_folded": Model(folded, partial(resnet, True)),
        "mobilenetv3_large": Model(
            "MobileNetV3-Large of timm, torch.onnx.export", partial(mobilenet, False)
        ),
        "mobilenetv3_large_folded": Model(folded, partial(mobilenet, True)),
    }
    for name in (f"light_{short}" for short in _LIGHT):
        models[name] = Model("light model of the onnx package", partial(_light, name))
    for nodes in (1_000, 10_000):
        what = f"network-like graph of {nodes:,} small nodes"
        models[f"generated_{nodes}"] = Model(what, partial(_generated, nodes))
    for name, (what, _) in networks.NETWORKS.items():
        models[name] = Model(what, partial(networks.make, name, SEED))
    return models


MODELS = _models()


def write(model: onnx.ModelProto, path: Path) -> None:
    """Write a model so that the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def build(name: str, directory: Path = DIRECTORY) -> Path:
    """The file of the model of that name, built if it is not there yet.

    Raises KeyError for a name that `MODELS` does not have.
    """
    path = directory / f"{name}.onnx"
    model = MODELS[name]
    if not path.exists():
        write(model.make(), path)
    return path


@click.command(help="Build a model by name and write it as ONNX.")
@click.argument("name", type=click.Choice(list(MODELS)), required=False)
@click.option("-o", "output", type=click.Path(path_type=Path), help="the file to write")
@click.option("--list", "show", is_flag=True, help="list the models and stop")
def main(name: str | None, output: Path | None, show: bool) -> None:
    """Build one model, or list them all."""
    if show or name is None:
        for key, model in MODELS.items():
            click.echo(f"{key:26} {model.what}")
    elif output is None:
        click.echo(build(name))
    else:
        write(MODELS[name].make(), output)


if __name__ == "__main__":
    main()
