"""What patients were exposed to before and after day 0: opioids by dose, therapies, operations, conditions."""
