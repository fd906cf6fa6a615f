"""Whether it may ship: checks that turn evidence into a verdict."""
