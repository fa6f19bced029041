"""What each check does; the commands are align/check_*.py."""
