"""What happens when something breaks: the real gateway between this package and a provider that misbehaves.

Every call has to end in the right answer or in an error of this package, within a bound, with no request more
than it may send, and without showing its key. `ledger` judges and counts that; `docs/faults.md` has the counts.
"""
