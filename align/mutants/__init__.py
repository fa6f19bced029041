"""A score for the checks that their authors cannot tune: small changes to every line of the port, and who notices."""
