"""What the tests of the store share, and `make torture`."""
