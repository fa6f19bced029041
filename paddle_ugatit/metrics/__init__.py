"""What translated images are measured by."""
