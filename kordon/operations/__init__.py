"""What keeps the service well: dead letters read and replayed, topics and lag told, and every part examined."""
