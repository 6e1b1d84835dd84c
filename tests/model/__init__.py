"""The model of a co-partition (docs/model), checked by TLC: `make model`."""
