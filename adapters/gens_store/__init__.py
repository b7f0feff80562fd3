"""The stores of generations behind the port `GensStore`."""
