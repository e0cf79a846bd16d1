"""From a flow document to a compiled problem: load, check, classify, choose, build."""

from flowengine.compiler.build import CompiledFlow, compile_flow
from flowengine.compiler.choice import Choice
from flowengine.compiler.explain import explain
from flowengine.compiler.plan import Cost, advice, cost, memory
from flowengine.compiler.stops import stops_of

__all__ = [
    "Choice",
    "CompiledFlow",
    "Cost",
    "advice",
    "compile_flow",
    "cost",
    "explain",
    "memory",
    "stops_of",
]
