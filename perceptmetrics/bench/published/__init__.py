"""One file a table, as the paper prints it, found by :data:`perceptmetrics.bench.TABLES`."""
