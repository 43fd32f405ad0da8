"""Running a plan: on a GPU, in Triton's interpreter, or by the reference semantics in torch."""

from fusec.runtime.devices import DEVICES, choose_device
from fusec.runtime.kernels import reprint_kernels
from fusec.runtime.session import Session

__all__ = ["DEVICES", "Session", "choose_device", "reprint_kernels"]
