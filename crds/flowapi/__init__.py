"""The words that both sides speak: flow documents, the resource, its status, run reports and revisions.

Imports neither jax nor Kopf, so the engine, the operator and any tool can share it.
"""
