"""The benchmark: what fastconv takes, beside a copy of the same bytes and beside other tools."""
