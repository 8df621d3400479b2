"""Programs that measure. They assert nothing; their figures are in README.md beside them."""
