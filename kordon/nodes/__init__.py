"""What the topics say of nodes, for who watches a fleet: read at read_committed, without a ledger.

Reading (``reading`` and the modules named ``…_reading``) is kept apart from what is made of it; that, all other
modules, is pure. The commands print it.
"""
