"""A page that says what an output holds: `write_report`."""
