"""The bytes that crossed the tap: captured, taken apart, explained."""
