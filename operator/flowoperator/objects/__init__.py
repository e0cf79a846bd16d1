"""Builders of Kubernetes objects: pure."""
