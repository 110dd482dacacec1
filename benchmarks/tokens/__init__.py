"""The error of the offline token counter, against what providers reported."""
