"""Condition trees: one filter language for segments, automations, searches and audiences, with one evaluator, SQL.

A tree is `{"all": […]}`, `{"any": […]}`, `{"not": {…}}` or a comparison
`{"field": "purchases.count", "op": "gte", "value": 3, "within_days": 365}`. What a field means is given by the caller
as typed SQL, so nothing that a person writes ever becomes SQL.
"""

from shared.conditions.compiling import Compiled, compile_condition
from shared.conditions.fields import Field, FieldType, folded
from shared.conditions.payloads import event_fields, matching
from shared.conditions.tree import InvalidCondition, parse_condition

__all__ = [
    "Compiled",
    "Field",
    "FieldType",
    "InvalidCondition",
    "compile_condition",
    "event_fields",
    "folded",
    "matching",
    "parse_condition",
]
