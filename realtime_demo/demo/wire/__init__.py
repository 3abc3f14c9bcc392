"""The bytes that crossed the tap: captured, dissected and explained."""
