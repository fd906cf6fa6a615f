"""Every model call: the account, the ledger, limits, the courier that carries paid requests, models and prices."""
