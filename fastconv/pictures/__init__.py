"""Looking at records: picked from shards, and drawn as a contact sheet."""
