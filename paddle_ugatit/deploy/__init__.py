"""Networks as files for other programs, each proved equal to the network that it was made from.

Contents: graph.py (a network's operations and weights as data), rules.py (a rule for each class of layers), a module
for each system, picture.py (pixels in and out), compressed.py (half and int8 weights), onnx_file.py (ONNX's format
without its package), run.py (the graph computed by NumPy), proof.py (what every export is put through), exports.py (all
of it together), check.py (pictures, against translate).
"""
