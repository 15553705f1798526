"""What a server on an NFS home, reached through a hub, does otherwise than a server on a laptop."""

c = get_config()  # type: ignore[name-defined]  # noqa: F821

# Databases with locks: on NFS they stall all of a user's kernels when the lock server does.
c.NotebookNotary.db_file = "/tmp/jupyter-signatures.db"
c.FileContentsManager.delete_to_trash = False
c.ServerApp.jpserver_extensions = {"jupyter_lsp": False}
# Shown in the status bar against the limits that the hub sets (MEM_LIMIT, CPU_LIMIT); measured on demand.
c.ResourceUseDisplay.track_cpu_percent = True
c.ResourceUseDisplay.enable_prometheus_metrics = False
