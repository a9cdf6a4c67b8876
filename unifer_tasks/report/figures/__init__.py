"""The figures of a report, as typed results that every renderer shares."""
