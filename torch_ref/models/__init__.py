"""One file per system, layers -> blocks -> network."""
