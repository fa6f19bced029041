"""The fault benchmark: which faults are planted where, the controls, and what each check must report."""
