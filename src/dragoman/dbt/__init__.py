"""dbt: projects of a connection, their environments, and what a manifest says about a model."""
