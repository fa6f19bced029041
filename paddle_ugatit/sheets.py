"""stub"""

import numpy as np


def sample_sheet(networks, images, direction):
    return np.zeros((8, 8, 3), "uint8")
