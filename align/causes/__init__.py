"""Why a layer differs: hypotheses that are tried on the spot, per kind of check."""
