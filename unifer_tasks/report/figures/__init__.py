"""What a report says of runs, as typed figures that every renderer shares."""
