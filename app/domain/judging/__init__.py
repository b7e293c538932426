"""How `evaluate` and `difference` come to their answers: one judgement, folded many ways."""
