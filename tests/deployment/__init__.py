"""The deployment files, read as their tools read them, and run without a container engine."""
