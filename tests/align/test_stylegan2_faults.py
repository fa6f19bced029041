"""Planted faults of StyleGAN2: each caught at its place, its cause named, on the layers and in training."""

import pytest

from align.faults import benchmark, initial, stylegan2


@pytest.mark.parametrize("fault", stylegan2.FAULTS, ids=lambda fault: fault.name)
def test_fault_of_a_layer(fault):
    outcome = benchmark._model(fault)
    assert (outcome.caught, outcome.located, outcome.cause) == (True, True, stylegan2.CAUSES[fault.name])


@pytest.mark.parametrize("fault", stylegan2.TRAINING, ids=lambda fault: fault.name)
def test_fault_of_training(fault):
    outcome = benchmark._training(fault)
    assert (outcome.caught, outcome.located, outcome.cause) == (True, True, fault.cause)


@pytest.mark.parametrize("fault", [f for f in initial.FAULTS if "StyleGAN2" in f.name], ids=lambda fault: fault.name)
def test_fault_of_initial_values(fault):
    outcome = benchmark._init(fault)
    assert (outcome.caught, outcome.located, outcome.cause) == (True, True, fault.cause)
