"""Flows in a browser on this machine: of folders, or of a cluster; one page about a flow, the report's."""
