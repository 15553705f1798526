"""The history of inputs is a database with locks: not on an NFS home."""

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.HistoryManager.hist_file = "/tmp/ipython-history.sqlite"
