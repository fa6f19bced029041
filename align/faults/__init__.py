"""The fault benchmark: what is planted where, the controls, and what each check must say of it."""
