"""A real hub process of this checkout, with a real proxy and login provider, on this machine alone."""
