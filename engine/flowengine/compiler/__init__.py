"""From a flow document to a compiled problem: load, check, classify, choose, build."""

from flowengine.compiler.build import CompiledFlow, compile_flow, stops_of
from flowengine.compiler.choose import Choice, convex
from flowengine.compiler.explain import explain

__all__ = ["Choice", "CompiledFlow", "compile_flow", "convex", "explain", "stops_of"]
