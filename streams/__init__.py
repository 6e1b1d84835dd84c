"""Who watches: the Faust application that folds observations into risk rows. Start reading at :mod:`streams.app`."""
