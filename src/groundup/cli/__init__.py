"""The command line: one verb per stage in pipeline order, then run, chat, serve and the rest."""
