"""The built-in cluster: two nodes on this machine, from Go modules and Debian's containerd, in namespaces of its own."""
