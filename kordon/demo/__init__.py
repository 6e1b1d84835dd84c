"""The demonstration: the whole pipeline as real processes, a story played on it, each outcome held against a literal.

Read :mod:`kordon.demo.scenario` first: it is the story, and what must come of it.
"""
