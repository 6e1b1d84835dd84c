"""What a person or a node touches: the ``kordon`` command, the node's client, the simulator and the demo."""
