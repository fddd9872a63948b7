"""Job arrays: a plan, shares of its shards, and what puts them together."""
