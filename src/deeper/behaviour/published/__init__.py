"""Read and write the layouts in which the paper's data and the hub's data sets are published."""
