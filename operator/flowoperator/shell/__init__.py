"""Everything that touches the cluster, the clock or the network."""
