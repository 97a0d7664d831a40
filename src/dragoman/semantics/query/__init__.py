"""A question in fields: its shape on the wire, its filters, its dates."""
