"""The operator against a real apiserver without nodes: the control plane, a scripted node, a proxy that makes trouble."""

from kit.apiserver.api import Api, ApiError
from kit.apiserver.node import Node, ScriptedPod
from kit.apiserver.operator import Operator
from kit.apiserver.plane import Plane, start
from kit.apiserver.proxy import Proxy
from kit.apiserver.scene import Scene

__all__ = ["Api", "ApiError", "Node", "Operator", "Plane", "Proxy", "Scene", "ScriptedPod", "start"]
