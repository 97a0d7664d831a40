"""BigQuery over Google's library, kept to the checked network: REST, and gRPC for many rows."""
