"""``fusec run``: run a plan on given or random inputs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.devices import device_option, open_session
from fusec.commands.files import check_output, require_plan, write_whole
from fusec.commands.group import Command
from fusec.commands.params import PATH, RANGE, SIZE
from fusec.commands.talk import Talk, result, result_json
from fusec.errors import UsageError

if TYPE_CHECKING:
    from fusec.ir.graph import Graph
    from fusec.verification.data import Array


def load_inputs(given: tuple[str, ...]) -> dict[str, Array]:
    """Arrays from ``NAME=FILE.npy``, ``NAME=FILE.npz`` (one array), ``FILE.npz`` (all of them)."""
    arrays: dict[str, Array] = {}
    for text in given:
        name, separator, file = text.rpartition("=")
        loaded = _load_file(Path(file))
        if not separator and not isinstance(loaded, dict):
            raise UsageError(f"--input {text}: no name", hint=f"as --input NAME={text}")
        if isinstance(loaded, dict) and separator:
            loaded = _one_of(loaded, name, file)
        new = loaded if isinstance(loaded, dict) else {name: loaded}
        twice = sorted(set(new) & set(arrays))
        if twice:
            raise UsageError(f"input {twice[0]!r} is given twice")
        arrays.update(new)
    return arrays


def _load_file(path: Path) -> Array | dict[str, Array]:
    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else {k: loaded[k] for k in loaded.files}
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory", hint="give a .npy or .npz file") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        hint = "numpy.save and numpy.savez write such files; object arrays are refused"
        raise UsageError(f"{path} is not a .npy or .npz file: {error}", hint=hint) from None


def _one_of(arrays: Mapping[str, Array], name: str, file: str) -> Array:
    if name in arrays:
        return arrays[name]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise UsageError(f"{file} holds no array {name!r}", hint=f"it holds {', '.join(arrays)}")


def describe(name: str, array: Array) -> dict[str, Any]:
    """Shape, dtype and range of an output; None where NaN or infinities leave no number."""
    import numpy as np

    wide = array.astype(np.float64) if array.dtype.kind != "c" else np.abs(array)
    finite = wide[np.isfinite(wide)]
    some = finite.size > 0
    return {
        "name": name,
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "min": float(finite.min()) if some else None,
        "max": float(finite.max()) if some else None,
        "mean": float(finite.mean()) if some else None,
        "not_finite": int(wide.size - finite.size),
    }


def npz_bytes(arrays: Mapping[str, Array]) -> bytes:
    """An .npz file; dtypes that numpy cannot name are widened to float32, which is exact."""
    import numpy as np

    plain = {k: a if a.dtype.isbuiltin == 1 else a.astype(np.float32) for k, a in arrays.items()}
    file = io.BytesIO()
    np.savez(file, **plain)  # type: ignore[arg-type]
    return file.getvalue()


@click.command("run", cls=Command)
@click.argument("plan", type=PATH)
@click.option("--input", "inputs", multiple=True, metavar="NAME=FILE", help="A .npy or .npz file.")
@click.option("--input-range", "ranges", type=RANGE, multiple=True, help="As ids=0..30521.")
@click.option("--size", "sizes", type=SIZE, multiple=True, help="A symbolic dim: batch=8.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of inputs not given.")
@click.option("-o", "output", type=PATH, metavar="OUT.npz", help="Write the outputs.")
@device_option
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@click.pass_obj
def command(
    talk: Talk,
    plan: Path,
    inputs: tuple[str, ...],
    ranges: tuple[tuple[str, tuple[float, float]], ...],
    sizes: tuple[tuple[str, int], ...],
    seed: int,
    output: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Run PLAN once. Inputs that are not given are drawn at random from the seed."""
    from fusec.plan import read_plan
    from fusec.verification.data import random_inputs

    if output is not None:
        check_output(output, plan)
    loaded = read_plan(require_plan(plan))
    given = load_inputs(inputs)
    _check_names(given, [v.name for v in loaded.graph.inputs])
    drawn = random_inputs(
        loaded.graph, seed, sizes=_sizes(loaded.graph, given, dict(sizes)), ranges=dict(ranges)
    )
    session = open_session(loaded, device, talk)
    outputs = session.run({**drawn, **given})
    if output is not None:
        write_whole(output, npz_bytes(outputs))
    report = [describe(name, array) for name, array in outputs.items()]
    if as_json:
        result_json({"device": session.device, "outputs": report})
        return
    for row in report:
        result(_line(row))


def _check_names(given: Mapping[str, Array], names: list[str]) -> None:
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise UsageError(f"there is no input {unknown[0]!r}", hint=f"inputs: {', '.join(names)}")


def _sizes(graph: Graph, given: Mapping[str, Array], sizes: dict[str, int]) -> dict[str, int]:
    """Sizes of symbolic dims: as asked for, and as the given inputs have them."""
    from fusec.ir.sym import Expr, free_symbols

    for value in graph.inputs:
        array = given.get(value.name)
        for dim, size in zip(value.type.shape, array.shape if array is not None else ()):
            if isinstance(dim, Expr) and free_symbols(dim)[0].expr == dim:
                sizes.setdefault(free_symbols(dim)[0].name, size)
    return sizes


def _line(row: Mapping[str, Any]) -> str:
    shape = "x".join(map(str, row["shape"])) or "scalar"
    text = f"{row['name']}: {row['dtype']} {shape}"
    if row["min"] is not None:
        text += f", {row['min']:.6g} .. {row['max']:.6g}, mean {row['mean']:.6g}"
    if row["not_finite"]:
        text += f", {row['not_finite']} not finite"
    return text
