"""Programs that measure. They assert nothing, and no test runs them: figures are in README.md beside them."""
