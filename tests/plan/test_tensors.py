"""Tensors of every dtype in the safetensors format, against the safetensors library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open

from fusec.ir import DTYPES, DType
from fusec.plan.json_data import CodecError
from fusec.plan.tensors import header_sha256, map_tensors, stream_tensors, tensor_info

Array = NDArray[Any]


def drawn(dtype: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if dtype.kind == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.is_integer:
        low = -7 if dtype.kind == "int" else 0
        return rng.integers(low, 8, shape).astype(dtype.numpy)
    values = rng.standard_normal(shape)
    if dtype.kind == "complex":
        values = values + 1j * rng.standard_normal(shape)
    return np.asarray(values).astype(dtype.numpy)


def every_dtype(rng: np.random.Generator) -> dict[str, Array]:
    arrays = {d.name: drawn(d, (3, 5), rng) for d in DTYPES}
    arrays |= {f"{d.name}/scalar": drawn(d, (), rng) for d in DTYPES}
    arrays |= {f"{d.name}/empty": drawn(d, (0, 4), rng) for d in DTYPES}
    arrays["turned"] = drawn(DTYPES[-1], (4, 6), rng).T
    arrays['odd "name"\n'] = drawn(DTYPES[0], (2,), rng)
    return arrays


def written(arrays: dict[str, Array]) -> bytes:
    return b"".join(bytes(chunk) for chunk in stream_tensors(arrays))


def test_every_dtype_reads_back(rng: np.random.Generator) -> None:
    arrays = every_dtype(rng)
    data = np.frombuffer(written(arrays), np.uint8)
    infos = {name: tensor_info(array) for name, array in arrays.items()}
    again = map_tensors(data, infos, header_sha256(arrays))
    assert set(again) == set(arrays)
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype
        assert again[name].shape == array.shape
        assert again[name].tobytes() == np.ascontiguousarray(array).tobytes()
        assert np.shares_memory(again[name], data) or not array.size
        assert tensor_info(again[name]) == infos[name]


def test_the_library_reads_what_it_has_a_dtype_for(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    arrays = every_dtype(rng)
    path = tmp_path / "a.safetensors"
    path.write_bytes(written(arrays))
    with safe_open(path, framework="np") as opened:
        assert set(opened.keys()) == set(arrays)
        for name in ("float32", "int64", "bool", "float16", "uint8", "float64/scalar", "turned"):
            found = opened.get_tensor(name)
            if name == "turned":  # complex128 is stored as pairs of float64
                found = found[..., 0] + 1j * found[..., 1]
            np.testing.assert_array_equal(found, arrays[name])


def test_data_does_not_depend_on_the_order_of_names(rng: np.random.Generator) -> None:
    arrays = every_dtype(rng)
    assert written(arrays) == written(dict(reversed(arrays.items())))


def test_large_arrays_that_are_not_dense_are_written_in_pieces(rng: np.random.Generator) -> None:
    array = rng.standard_normal((3000, 2000), np.float32).T
    data = written({"a": array})
    np.testing.assert_array_equal(
        np.frombuffer(data[-array.nbytes :], np.float32).reshape(array.shape), array
    )


def header_of(arrays: dict[str, Array], **changes: Any) -> bytes:
    """The file with one tensor's header item changed, and the hash of that header."""
    data = written(arrays)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["a"] |= changes
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "F64"},
        {"shape": [2, 3]},
        {"data_offsets": [0, 8]},
        {"data_offsets": [4, 28]},
        {"data_offsets": [-4, 20]},
        {"more": 1},
    ],
    ids=str,
)
def test_headers_that_lie_are_refused(change: dict[str, Any]) -> None:
    import hashlib

    arrays: dict[str, Array] = {"a": np.arange(6, dtype=np.float32).reshape(3, 2)}
    infos = {"a": tensor_info(arrays["a"])}
    data = header_of(arrays, **change)
    length = int.from_bytes(data[:8], "little")
    digest = hashlib.sha256(data[: 8 + length]).hexdigest()
    with pytest.raises(CodecError, match="a"):
        map_tensors(np.frombuffer(data, np.uint8), infos, digest)
    same = header_of(arrays)
    length = int.from_bytes(same[:8], "little")
    map_tensors(
        np.frombuffer(same, np.uint8), infos, hashlib.sha256(same[: 8 + length]).hexdigest()
    )


@pytest.mark.parametrize("size", [0, 4, 8, 40])
def test_cut_files_are_refused(size: int) -> None:
    arrays: dict[str, Array] = {"a": np.zeros(6, np.float32)}
    data = np.frombuffer(written(arrays)[:size], np.uint8)
    with pytest.raises(CodecError, match="header"):
        map_tensors(data, {"a": tensor_info(arrays["a"])}, header_sha256(arrays))
