"""Find a tritonserver, lay out its backends, check a repository, start, wait, stop."""
