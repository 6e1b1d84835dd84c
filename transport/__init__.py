"""How bytes travel and are trusted: settings, clients, transactions, dead letters, views, signatures."""
