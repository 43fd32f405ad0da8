"""Every kernel form on a GPU, with the best candidates: same results as in the interpreter."""

from __future__ import annotations

import pytest
import torch

from fusec.codegen import launch_cuda
from fusec.target import resolve
from fusec.tile.candidates import candidates
from tests.codegen.forms import FORMS
from tests.codegen.test_pointwise import OPS, assert_close, attributes, reference, result_of
from tests.codegen.values import operands

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", FORMS)
def test_form(name: str) -> None:
    form = FORMS[name]()
    inputs = {key: value.cuda() for key, value in form.inputs.items()}
    for candidate in candidates(form.program, resolve("native"))[:3]:
        outputs = {key: torch.full_like(v, 1e30).cuda() for key, v in form.expected.items()}
        launch_cuda(form.program, name, candidate.config, inputs | outputs, form.symbols)
        for key, value in outputs.items():
            torch.testing.assert_close(
                value.cpu(), form.expected[key], rtol=1e-5, atol=2e-5, equal_nan=True
            )


@pytest.mark.parametrize("op", [o for o in OPS if o.name not in ("cast", "bitcast")], ids=str)
def test_float32_op(op: object) -> None:
    from fusec.ir.op import Op
    from fusec.ir.types import f32
    from tests.codegen.programs import pointwise, torch_dtype

    assert isinstance(op, Op)
    kinds = (f32,) * len(op.operands)
    result = result_of(op, kinds)
    if result is None or not result.is_float or op.name in ("rem", "mod"):
        pytest.skip("not a function of float32 to a float")
    tensors = operands(kinds)
    made = pointwise(op.name, kinds, result, len(tensors[0]), attributes(op))
    out = torch.zeros(len(tensors[0]), dtype=torch_dtype(result)).cuda()
    config = candidates(made, resolve("native"))[0].config
    on_gpu = {name: t.cuda() for name, t in zip("abc", tensors, strict=False)}
    launch_cuda(made, "kernel", config, on_gpu | {"out": out}, {})
    expected = reference(op, tensors, attributes(op)).to(out.dtype)
    assert_close(op, tensors, out.cpu(), expected, result)
