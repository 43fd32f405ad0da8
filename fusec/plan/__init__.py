"""The plan: a compiled model as one file of data. Write it, read it, check it."""

from fusec.plan.audit import audit
from fusec.plan.plan import Golden, Launch, LaunchKind, Plan, make_launches, output_names
from fusec.plan.read import read_plan
from fusec.plan.write import write_plan

__all__ = [
    "Golden",
    "Launch",
    "LaunchKind",
    "Plan",
    "audit",
    "make_launches",
    "output_names",
    "read_plan",
    "write_plan",
]
