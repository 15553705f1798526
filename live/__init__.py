"""What looks at the running world from the operator's machine: cloud, names, the probe, the sweep."""
