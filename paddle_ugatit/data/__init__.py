"""Images in and out: files of any format, folders, the training transform, the procedural data set."""
