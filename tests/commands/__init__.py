"""Runs the ``kordon`` command as a person or a script would."""
