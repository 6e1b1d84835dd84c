"""One module a command, or a group of them; :mod:`kordon.command_line` imports each when it is called."""
