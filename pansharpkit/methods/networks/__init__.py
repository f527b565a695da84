"""What methods that fit networks share: blocks, untrained networks, the optimisation loop."""
