"""Programs that read in a process of their own, for readers that cannot be loaded beside others.

Their arguments are one JSON object and their last line of output another.
None of them imports fastconv or the tests' helpers.
"""
