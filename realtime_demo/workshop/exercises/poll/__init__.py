"""The exercise poll."""
