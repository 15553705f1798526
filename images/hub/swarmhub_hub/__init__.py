"""What this hub adds to JupyterHub: its settings, users' homes, users' servers."""
