"""What a server on an NFS home, reached through a hub, does otherwise than a server on a laptop."""

c = get_config()  # type: ignore[name-defined]  # noqa: F821

# Databases with locks: on NFS they stall all of a user's kernels when the lock server does.
c.NotebookNotary.db_file = "/tmp/jupyter-signatures.db"
c.FileContentsManager.delete_to_trash = False
# Neither announcements nor update checks: a room of servers would ask at the same moment.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
c.ServerApp.jpserver_extensions = {"jupyter_lsp": False}
