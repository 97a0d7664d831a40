"""Git: the repository of a model, branch for branch, three-way in both directions."""
