"""What the tests share: real database servers and certificates."""
