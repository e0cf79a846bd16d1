"""The names by which Kubernetes knows the resource; apart from its models, which take longer to load."""

GROUP = "computableflow.dev"
VERSION = "v1alpha1"
KIND = "ComputableFlow"
API_VERSION = f"{GROUP}/{VERSION}"
FLOW_LABEL = f"{GROUP}/flow"
"""On every object that belongs to a flow: its name."""
