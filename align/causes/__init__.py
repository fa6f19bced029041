"""Why the two sides differ: likely mistakes, tried one after another; a module for each kind of check."""
