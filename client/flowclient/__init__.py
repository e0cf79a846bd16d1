"""What people hold in their hands: results, reports, comparisons, queries, and `kubectl cflow`."""
