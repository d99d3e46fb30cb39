"""The types of the fields of models: how they are declared, and how values are checked against them."""
