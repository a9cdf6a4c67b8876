"""lmms-eval's side: the plugin, and what it changes in the host around our tasks."""
