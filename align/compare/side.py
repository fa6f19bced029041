"""What both frameworks' sides of a comparison have in common, where models are the project's own."""

from contextlib import nullcontext

from align.compare.structures import call_of


class Side:
    """One side of a comparison; TorchSide and PaddleSide say how models are built, run and read.

    The sides for models from a user's file replace what is said here of the project's own.
    """

    def again(self, model, state, build):
        """Return the model as it was before a run, from `state`; a side whose models keep more builds a new one."""
        self.set_buffers(model, state)
        return model

    def in_use(self):
        """Return a context for every run of a model; here nothing needs to be set."""
        return nullcontext()

    def call_model(self, model, tensors):
        """Run the model on the tensors of one call."""
        return model(*tensors)

    def call_of(self, leaf, forward, arguments, options):
        """Return the Call of a leaf with these arguments."""
        return call_of(forward, arguments, options, self.is_tensor)

    def free(self, tensor):
        """Return the tensor as the model may have it; here models overwrite nothing."""
        return tensor

    def joint(self, tensor):
        """Return the tensor as it is now, for a gradient that is to be passed to it later."""
        return tensor

    def changes(self, tensor):
        """Return how often the tensor was overwritten; here never."""
        return 0
